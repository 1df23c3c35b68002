import { wholeTime } from "../live/time.ts"
import { Ago } from "../parts/Ago.tsx"
import { Page, Section } from "../parts/Page.tsx"
import { Asked } from "../parts/Asked.tsx"
import { useAsked } from "./Operated.ts"
import { Rows } from "./Rows.tsx"

/** Entries shown. */
const limit = 100

/** Who did what, the newest first: ids and figures, never what anybody wrote. */
export const Audit = () => {
  const asked = useAsked(["audit"], (backend) => backend.audit(limit))
  return (
    <Page title="Audit" wide line={<>The newest {limit} entries. <code>npx maestra audit --on hosted</code> has them all and checks their chains.</>}>
      <Asked of={asked}>
        {(entries) => (
          <Section title="Who did what">
            <Rows label="Audit" heads={["What", "When", "By", "Tenant", "About"]} none="Nothing yet." rows={entries.toReversed().map((entry) => [entry.id, [`${entry.type}${entry.count === undefined ? "" : ` ×${entry.count}`}`, <Ago key="at" at={entry.time} />, entry.by, entry.tenant ?? "–", Object.entries(entry.data).map(([name, value]) => `${name.replaceAll("_", " ")}: ${name.endsWith("_at") ? wholeTime(String(value)) : Array.isArray(value) ? value.join(", ") : String(value)}`).join(" · ")]])} />
          </Section>
        )}
      </Asked>
    </Page>
  )
}
