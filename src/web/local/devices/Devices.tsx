import { Badge, Button, Tooltip } from "@mantine/core"
import { IconDeviceLaptop, IconDeviceMobile, IconPuzzle, IconServer, IconShieldCheck } from "@tabler/icons-react"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import type { LocalPeer, LocalStatus } from "../../../sdk/typescript/owner/index.ts"
import { say, sayProblem } from "../../live/say.ts"
import { focusMain } from "../../navigation/route.ts"
import { Ago } from "../../parts/Ago.tsx"
import { Asked } from "../../parts/Asked.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { Page, Section } from "../../parts/Page.tsx"
import { useLocal } from "../LocalBackend.ts"
import { useStatus } from "../status.ts"
import classes from "./Devices.module.css"
import { Keys } from "./Keys.tsx"
import { Pairing } from "./Pairing.tsx"
import { CompanionCode } from "./CompanionCode.tsx"

/** Whose machines these are: this one, and all that read and write along. */
const Devices = () => {
  const asked = useStatus()
  return (
    <Page title="Devices" {...(asked.data === undefined ? {} : { line: asked.data.state === "not_paired" ? "This machine works alone. Paired with a hosted backend, all your devices show the same." : "Every device that reads and writes your conversations. One you do not know does not belong here: have it revoked at the hosted backend." })}>
      <Asked of={asked} height={200}>
        {(status) => status.state === "not_paired" ? <Pairing /> : <><Known own={status} /><CompanionCode /><Keys /><Unpair status={status} /></>}
      </Asked>
    </Page>
  )
}
export default Devices

const Known = ({ own }: { readonly own: LocalStatus }) => {
  const backend = useLocal()
  const asked = useQuery({ queryKey: ["peers"], queryFn: () => backend.peers(), refetchInterval: 10_000 })
  const here = (device: LocalPeer) => device.peer_id === own.peer_id ? 0 : device.revoked === null ? 1 : 2
  return (
    <Asked of={asked} height={160}>
      {(devices) => (
        <ul className={classes["devices"]}>
          {[...devices].sort((a, b) => here(a) - here(b)).map((device) => <Row key={device.peer_id} device={device} own={device.peer_id === own.peer_id} />)}
        </ul>
      )}
    </Asked>
  )
}

const kinds: Readonly<Record<string, { readonly name: string; readonly icon: typeof IconServer }>> = {
  local: { name: "Computer", icon: IconDeviceLaptop },
  hosted: { name: "Hosted backend", icon: IconServer },
  ios_local: { name: "iPhone or iPad", icon: IconDeviceMobile },
  android_local: { name: "Android", icon: IconDeviceMobile },
  web: { name: "Browser", icon: IconPuzzle },
  companion: { name: "App or browser", icon: IconPuzzle }
}

const Row = ({ device, own }: { readonly device: LocalPeer; readonly own: boolean }) => {
  const { icon: Icon, name } = kinds[device.backend_type] ?? { name: device.backend_type, icon: IconPuzzle }
  return (
    <li className={classes["device"]} data-revoked={device.revoked === null ? undefined : true}>
      <span className={classes["icon"]} aria-hidden><Icon size={22} stroke={1.5} /></span>
      <div className={classes["about"]}>
        <div className={classes["name"]}>{own ? "This machine" : name}<span className={classes["id"]}>{device.peer_id}</span></div>
        <div className={classes["line"]}>
          {device.revoked === null
            ? <>Joined <Ago at={device.registered_at} />{device.last_seen === null ? null : <> · seen <Ago at={device.last_seen} /></>}</>
            : <>Revoked <Ago at={device.revoked.at} /> ({device.revoked.cause})</>}
        </div>
        <div className={classes["key"]}>Key <code>{device.key_id.slice(0, 16)}…</code></div>
      </div>
      {device.revoked !== null ? <Badge color="gray" variant="light">Revoked</Badge> : own ? <Badge variant="light">Here</Badge> : <Trust device={device} />}
    </li>
  )
}

const Trust = ({ device }: { readonly device: LocalPeer }) => {
  const backend = useLocal()
  const queries = useQueryClient()
  const confirm = useMutation({
    mutationFn: () => backend.confirm(device.peer_id),
    onSuccess: async ({ sentence }) => {
      say(sentence)
      await queries.invalidateQueries({ queryKey: ["peers"] })
    },
    onError: sayProblem
  })
  if (device.confirmed) return <Badge variant="light" leftSection={<IconShieldCheck size={13} aria-hidden />}>Confirmed</Badge>
  return <Tooltip label="Say on all devices that this one is yours. Compare the key first." multiline w={240}><Button size="xs" variant="default" loading={confirm.isPending} onClick={() => confirm.mutate()}>This is mine</Button></Tooltip>
}

const Unpair = ({ status }: { readonly status: LocalStatus }) => {
  const backend = useLocal()
  const queries = useQueryClient()
  const [asks, setAsks] = useState(false)
  const unpair = useMutation({
    mutationFn: () => backend.unpair(),
    onSuccess: async ({ sentence }) => {
      setAsks(false)
      say(sentence)
      await queries.invalidateQueries()
      focusMain()
    },
    onError: sayProblem
  })
  return (
    <Section title="Leave" line={`Paired with ${status.hosted_url ?? "hosted"}.`} aside={<Button variant="default" size="xs" onClick={() => setAsks(true)}>Unpair this machine</Button>}>
      <Confirm opened={asks} close={() => setAsks(false)} title="Unpair this machine?" act="Unpair" danger busy={unpair.isPending} onAct={() => unpair.mutate()}>
        Nothing leaves or arrives any more. Everything written stays here. {status.pending === 0 ? "" : `${status.pending === 1 ? "1 change has" : `${status.pending.toLocaleString("en")} changes have`} not been sent yet.`}
      </Confirm>
    </Section>
  )
}
