import { Button, Switch } from "@mantine/core"
import { IconRefresh } from "@tabler/icons-react"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import type { LocalStatus } from "../../../sdk/typescript/owner/index.ts"
import { say, sayProblem } from "../../live/say.ts"
import { wholeTime } from "../../live/time.ts"
import { hrefOf } from "../../navigation/route.ts"
import { Ago } from "../../parts/Ago.tsx"
import { Asked } from "../../parts/Asked.tsx"
import { Note } from "../../parts/Note.tsx"
import { Figure, Figures, Page } from "../../parts/Page.tsx"
import { Said } from "../../parts/Said.tsx"
import { useAlerts } from "../alerts.ts"
import { useLocal } from "../LocalBackend.ts"
import { because, cureOf, moodOf, useStatus } from "../status.ts"
import { Recent } from "./Recent.tsx"
import classes from "./Sync.module.css"
import { Way } from "./Way.tsx"

/** Is it in step, and if not, why not and what to do. */
const Sync = () => {
  const asked = useStatus()
  return (
    <Page title="Sync" actions={asked.data === undefined || asked.data.state === "not_paired" ? undefined : <Resync />}>
      <Asked of={asked} height={260}>{(status) => <Told status={status} />}</Asked>
    </Page>
  )
}
export default Sync

const Told = ({ status }: { readonly status: LocalStatus }) => (
  <>
    <Wrong status={status} />
    <Standing status={status} />
    <Figures>
      <Figure label="To send" value={status.pending.toLocaleString("en")} line={status.pending === 0 ? "Nothing waits here" : status.held_by === null ? "Safe here until it is sent" : "Safe here"} {...(status.pending > 1000 ? { tone: "warm" as const } : {})} />
      <Figure label="To receive" value={status.behind.toLocaleString("en")} line={status.behind === 0 ? "Nothing waits there" : "Waits at hosted"} />
      <Figure label="Last sent" value={status.last_sync === null ? "Never" : <Ago at={status.last_sync} />} />
      <Figure label="Held here" value={status.messages.toLocaleString("en")} line={`${status.messages === 1 ? "message" : "messages"} in ${status.conversations === 1 ? "1 conversation" : `${status.conversations.toLocaleString("en")} conversations`}`} />
    </Figures>
    <Recent />
  </>
)

const Standing = ({ status }: { readonly status: LocalStatus }) => (
  <section className={classes["standing"]} data-mood={moodOf(status).mood} aria-label="How things stand">
    <div className={classes["words"]}>
      <h2 className={classes["word"]}>{moodOf(status).word}</h2>
      <p className={classes["why"]}><Said text={because(status)} /></p>
      {status.state === "offline" && status.offline_since !== null ? <p className={classes["sentence"]}>Since <Ago at={status.offline_since} /></p> : null}
      {cureOf(status) === undefined ? null : <p className={classes["sentence"]}>{cureOf(status)}</p>}
      {status.state === "not_paired" ? <Button component="a" href={hrefOf("devices")} size="sm" mt="sm">Pair this machine</Button> : null}
    </div>
    <Way status={status} />
    {status.state === "not_paired" ? null : <Pause status={status} />}
  </section>
)

const Pause = ({ status }: { readonly status: LocalStatus }) => {
  const backend = useLocal()
  const queries = useQueryClient()
  const turn = useMutation({
    mutationFn: (pause: boolean) => pause ? backend.pause() : backend.resume(),
    onSuccess: async ({ sentence }) => {
      say(sentence)
      await queries.invalidateQueries({ queryKey: ["status"] })
    },
    onError: sayProblem
  })
  return (
    <div className={classes["pause"]}>
      <Switch
        label="Pause syncing" description="Nothing leaves or arrives; work goes on here. Resuming sends what waited."
        checked={turn.isPending ? turn.variables : status.paused} disabled={turn.isPending} onChange={(event) => turn.mutate(event.currentTarget.checked)} />
    </div>
  )
}

const Resync = () => {
  const backend = useLocal()
  const resync = useMutation({ mutationFn: () => backend.resync(), onSuccess: ({ sentence }) => say(sentence), onError: sayProblem })
  return <Button variant="default" size="xs" leftSection={<IconRefresh size={15} />} loading={resync.isPending} onClick={() => resync.mutate()}>Compare everything again</Button>
}

/** What is wrong, with what to do about it, and what was kept and does not go on by itself. */
const Wrong = ({ status }: { readonly status: LocalStatus }) => {
  const alerts = useAlerts()
  return (
    <>
      {alerts.filter(({ kind }) => !(kind === "peer_stopped" && status.state === "needs_you")).map((alert) => (
        <Note key={alert.id} tone={alert.severity === "critical" ? "alarm" : "warm"} title={alert.summary}>
          <Said text={alert.todo} />
          <br />
          <small>Raised <Ago at={alert.raised_at} />{alert.silenced_until === null ? "" : ` · silent until ${wholeTime(alert.silenced_until)}`}</small>
        </Note>
      ))}
      <SetAside status={status} told={alerts.map(({ kind }) => kind)} />
    </>
  )
}

/** `told`: kinds of alerts that stand above. */
const SetAside = ({ status: { conflicts, disk, quarantined, set_aside }, told }: { readonly status: LocalStatus; readonly told: ReadonlyArray<string> }) => (
  <>
    {conflicts === 0 ? null : (
      <Note title={conflicts === 1 ? "One message was changed on two devices" : `${conflicts} messages were changed on two devices`}>
        <a href={hrefOf("conflicts")}>Choose which version stays</a>
      </Note>
    )}
    {set_aside === 0 ? null : <Note title={`${set_aside} set aside`}>Hosted would not have them. They are kept here; <code>npx maestra debug</code> says why.</Note>}
    {quarantined === 0 || told.includes("commit_quarantined") ? null : <Note tone="alarm" title={`${quarantined} in quarantine`}>Signatures that do not hold. <code>npx maestra verify</code> names the places.</Note>}
    {disk.state === "ok" || (disk.state === "low" && told.includes("disk_low")) ? null : <Note tone={disk.state === "full" ? "alarm" : "warm"} title={disk.state === "full" ? "The disk is full" : "The disk is nearly full"}>Make room. What was written is safe, and writing goes on by itself.</Note>}
  </>
)
