import { Switch } from "@mantine/core"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { PrivacySettings } from "../../../sdk/typescript/owner/index.ts"
import { sayProblem } from "../../live/say.ts"
import { Asked } from "../../parts/Asked.tsx"
import { Page, Section } from "../../parts/Page.tsx"
import { useLocal } from "../LocalBackend.ts"
import { Erase } from "./Erase.tsx"
import { Export } from "./Export.tsx"
import { Preview } from "./Preview.tsx"
import classes from "./Privacy.module.css"
import { Region } from "./Region.tsx"
import { Retention } from "./Retention.tsx"
import { Surfaces } from "./Surfaces.tsx"

export type Change = (change: Partial<PrivacySettings>) => void

/** What may leave this machine, shown on what would. */
const Privacy = () => {
  const backend = useLocal()
  const queries = useQueryClient()
  const asked = useQuery({ queryKey: ["privacy"], queryFn: () => backend.privacy() })
  const change = useMutation({
    mutationFn: (fields: Partial<PrivacySettings>) => backend.changePrivacy(fields),
    onSuccess: (settings) => queries.setQueryData(["privacy"], settings),
    onError: sayProblem
  })
  return (
    <Page title="Privacy" line="Decided on this machine, before anything is sealed and sent. Your own copy always keeps what you wrote. Where devices disagree, the stricter setting wins.">
      <Asked of={asked} height={320}>
        {(held) => <Settings settings={change.isPending ? { ...held, ...change.variables } : held} change={change.mutate} />}
      </Asked>
      <Export />
      <Erase />
    </Page>
  )
}
export default Privacy

const Settings = ({ change, settings }: Settled) => (
  <>
    <Leaves settings={settings} change={change} />
    <Preview redacts={settings.redact_pii} region={settings.default_region} />
    <Surfaces allowed={settings.allowed_surfaces} change={change} />
    <Retention settings={settings} change={change} />
  </>
)

interface Settled {
  readonly settings: PrivacySettings
  readonly change: Change
}

const switches: ReadonlyArray<{ readonly field: "sync_enabled" | "sync_conversations" | "sync_telemetry" | "redact_pii"; readonly label: string; readonly line: string }> = [
  { field: "sync_enabled", label: "Sync this account", line: "Off: nothing of yours leaves any device, until it is on again." },
  { field: "sync_conversations", label: "Conversations", line: "Off: what is written waits on the machine it was written on." },
  { field: "sync_telemetry", label: "Telemetry", line: "Off: figures about use are not sent, also not later." },
  { field: "redact_pii", label: "Redact personal data", line: "E-mail addresses, telephone, social security and payment card numbers are hidden before they leave." }
]

const Leaves = ({ change, settings }: Settled) => (
  <Section title="What may leave">
    <div className={classes["switches"]}>
      {switches.map(({ field, label, line }) => (
        <Switch key={field} label={label} description={line} checked={settings[field]} onChange={(event) => change({ [field]: event.currentTarget.checked })} />
      ))}
    </div>
    <Region region={settings.default_region} change={change} />
  </Section>
)
