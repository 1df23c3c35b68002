import { Badge, Button, Code, CopyButton, Group, Skeleton, Stack, Text, TextInput } from "@mantine/core"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { type FormEvent, lazy, Suspense, useState } from "react"
import type { HostedPeer, PeerMetrics } from "../../sdk/typescript/owner/index.ts"
import { say, sayProblem } from "../live/say.ts"
import { wholeTime } from "../live/time.ts"
import { focusMain, hrefOf } from "../navigation/route.ts"
import { Ago } from "../parts/Ago.tsx"
import { Confirm } from "../parts/Confirm.tsx"
import { Page, Section } from "../parts/Page.tsx"
import { Asked } from "../parts/Asked.tsx"
import { Lag } from "./Lag.tsx"
import { useAsked, useHosted } from "./Operated.ts"
import { Rows } from "./Rows.tsx"

const QrPicture = lazy(() => import("./QrPicture.tsx"))

/** Every device: whether it is here, how far behind, since when its key, and out it goes where it must. */
export const Peers = () => {
  const peers = useAsked(["peers"], (backend) => backend.peers())
  const metrics = useAsked(["metrics"], (backend) => backend.metrics())
  return (
    <Page title="Peers" wide>
      <Section title="Devices">
        <Asked of={peers}>
          {(all) => <Rows label="Devices" none="Nobody has joined yet. Make a code below." heads={["Device", "State", "Lag", "Behind", "Last sync", "Key since", ""]} rows={all.map((peer) => [peer.peer_id, cellsOf(peer, metrics.data?.find(({ peer_id }) => peer_id === peer.peer_id), metrics.dataUpdatedAt)])} />}
        </Asked>
      </Section>
      <Enroll />
    </Page>
  )
}

const cellsOf = (peer: HostedPeer, metrics: PeerMetrics | undefined, askedAt: number) => {
  const registered = peer.status === "registered"
  return [
    <span key="name"><a href={hrefOf("peers", peer.peer_id)}>{peer.user_id}</a><br /><small>{peer.backend_type} · {peer.peer_id}</small></span>,
    registered ? <span key="state"><Badge variant="light" color={peer.online ? "sea" : "gray"}>{peer.online ? "Online" : "Away"}</Badge>{peer.confirmed ? "" : <> <Badge variant="light" color="gray">Not confirmed</Badge></>}</span> : <Badge key="state" variant="light" color="gray">{peer.status}</Badge>,
    metrics === undefined ? "–" : <Lag key="lag" seconds={metrics.sync_lag_seconds} askedAt={askedAt} />,
    registered ? peer.behind.toLocaleString("en") : "–",
    metrics?.last_sync == null ? "–" : <Ago key="sync" at={metrics.last_sync} />,
    peer.key_since === "" ? "–" : <Ago key="key" at={peer.key_since} />,
    registered ? <Revoke key="revoke" peer={peer} /> : ""
  ]
}

const Revoke = ({ peer }: { readonly peer: HostedPeer }) => {
  const backend = useHosted()
  const queries = useQueryClient()
  const [asks, setAsks] = useState(false)
  const revoke = useMutation({
    mutationFn: () => backend.revoke(peer.peer_id),
    onSuccess: async ({ sentence }) => {
      setAsks(false)
      say(sentence)
      await queries.invalidateQueries()
      focusMain()
    },
    onError: sayProblem
  })
  return (
    <>
      <Button size="compact-sm" variant="default" aria-label={`Revoke ${peer.peer_id}`} onClick={() => setAsks(true)}>Revoke</Button>
      <Confirm opened={asks} close={() => setAsks(false)} title="Revoke this device?" act="Revoke" danger busy={revoke.isPending} onAct={() => revoke.mutate()}>
        Nothing flows to or from {peer.peer_id} any more, within a second. It cannot come back with the same pairing.
      </Confirm>
    </>
  )
}

const Enroll = () => {
  const backend = useHosted()
  const [user, setUser] = useState("")
  const enroll = useMutation({ mutationFn: () => backend.enroll(user.trim()), onError: sayProblem })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (user.trim() !== "") enroll.mutate()
  }
  return (
    <Section title="One more device" line="A code for one device of a person, good once and for ten minutes.">
      <form onSubmit={submit}><TextInput label="User" value={user} onChange={(event) => setUser(event.currentTarget.value)} maw={360} /><Button type="submit" mt="sm" variant="default" disabled={user.trim() === ""} loading={enroll.isPending}>Make a code</Button></form>
      {enroll.data === undefined ? null : <PairingCode code={enroll.data.code} until={enroll.data.expires_at} />}
    </Section>
  )
}

/** To be pasted, or held in front of a camera. It is a secret. */
const PairingCode = ({ code, until }: { readonly code: string; readonly until: string }) => (
  <Group align="flex-start" gap="lg">
    <Suspense fallback={<Skeleton width={240} height={240} />}><QrPicture text={code} label="The code, for a camera" /></Suspense>
    <Stack gap="xs" flex={1} miw={240}>
      <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{code}</Code>
      <Group gap="sm">
        <CopyButton value={code}>{({ copied, copy }) => <Button size="xs" variant="default" onClick={copy}>{copied ? "Copied" : "Copy"}</Button>}</CopyButton>
        <Text size="xs" c="dimmed">A secret, good once and until {wholeTime(until)}. On the device: <code>npx maestra local pair CODE</code>, or Devices in its web app.</Text>
      </Group>
    </Stack>
  </Group>
)
