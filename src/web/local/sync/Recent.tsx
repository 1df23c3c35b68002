import { Table } from "@mantine/core"
import { useQuery } from "@tanstack/react-query"
import { sentences } from "../../../sdk/typescript/problems.ts"
import { hrefOf } from "../../navigation/route.ts"
import { Ago } from "../../parts/Ago.tsx"
import { Asked } from "../../parts/Asked.tsx"
import { Section } from "../../parts/Page.tsx"
import { sentenceOf } from "../../parts/Said.tsx"
import { useLocal } from "../LocalBackend.ts"

interface Facts {
  readonly network_status?: { readonly link: string; readonly since: string; readonly reason?: string }
  readonly sbt_status?: string
  readonly sbt_expires_in?: number | null
  readonly recent_errors?: ReadonlyArray<{ readonly at: string; readonly what: string }>
  readonly offline_queue?: ReadonlyArray<{ readonly seq: number; readonly type: string | null; readonly conversation_id: string | null; readonly time: string }>
}

/** What waits, as a person would call it. */
const kinds: Readonly<Record<string, string>> = {
  "message.appended": "A message", "message.edited": "An edit", "message.deleted": "A deleted message",
  "conversation.created": "A new conversation", "conversation.renamed": "A title", "conversation.deleted": "A deleted conversation", "settings.changed": "Settings"
}

/** What the relay notes in a word, in a sentence. */
const notes: Readonly<Record<string, string>> = {
  timed_out: "Hosted did not answer in time. Sent again.",
  busy: "Hosted was busy. Sent again.",
  no_responders: "Nobody answered at hosted. Sent again.",
  rate_limited: "More than hosted takes in a minute. Waited.",
  expired: "The session had ended. Renewed.",
  withheld: "Settings had changed meanwhile. Gated again.",
  chain_mismatch: "Hosted and this machine disagreed about what was sent. Compared."
}

const askEveryMillis = 5000
const hour = 3600

/** The link, the session, and what went wrong lately. */
export const Recent = () => {
  const backend = useLocal()
  const asked = useQuery({ queryKey: ["debug"], queryFn: () => backend.debug(), refetchInterval: askEveryMillis })
  return <Asked of={asked}>{(facts) => <Told facts={facts} />}</Asked>
}

const Told = ({ facts }: { readonly facts: Facts }) => {
  const { network_status: link, offline_queue: queue = [], recent_errors: errors = [], sbt_expires_in: left, sbt_status: session } = facts
  return (
    <>
      {queue.length === 0 ? null : <Waiting queue={queue} />}
      <Section title="The link and what went wrong">
        <Table.ScrollContainer minWidth={320} type="native" tabIndex={0} role="region" aria-label="The link and what went wrong">
          <Table verticalSpacing="xs">
            <Table.Tbody>
              {link === undefined ? null : <Fact name="Link to hosted">{link.link === "up" ? "Up" : "Down"}, changed <Ago at={link.since} />{link.reason === undefined ? "" : `: ${link.reason}`}</Fact>}
              {session === undefined ? null : <Fact name="Session">{session.charAt(0).toUpperCase()}{session.slice(1)}{session === "expired" ? ", renewed by itself as soon as hosted answers" : typeof left === "number" && left > 0 ? `, renewed within ${left > hour ? `${Math.round(left / hour)} hours` : `${Math.round(left / 60)} minutes`}` : ""}</Fact>}
              {errors.slice(0, 10).map(({ at, what }, n) => <Fact key={`${at} ${n}`} name={<Ago at={at} />}>{notes[what] ?? sentences(sentenceOf(what))}</Fact>)}
              {errors.length === 0 ? <Fact name="Lately">Nothing went wrong</Fact> : null}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      </Section>
    </>
  )
}

/** The oldest that are not at hosted yet. Why is said above them. */
const Waiting = ({ queue }: { readonly queue: NonNullable<Facts["offline_queue"]> }) => (
  <Section title="Waits to be sent" line={queue.length >= 10 ? "The oldest ten." : undefined}>
    <Table.ScrollContainer minWidth={320} type="native" tabIndex={0} role="region" aria-label="Waits to be sent">
      <Table verticalSpacing="xs">
        <Table.Tbody>
          {queue.map(({ conversation_id: id, seq, time, type }) => (
            <Fact key={seq} name={<Ago at={time} />}>{kinds[type ?? ""] ?? type ?? "Something"}{id === null || type === "settings.changed" ? "" : <> in <a href={hrefOf("conversations", id)}>{id}</a></>}</Fact>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  </Section>
)

const Fact = ({ children, name }: { readonly name: React.ReactNode; readonly children: React.ReactNode }) => (
  <Table.Tr><Table.Th scope="row" w={150} fw={500} c="dimmed">{name}</Table.Th><Table.Td>{children}</Table.Td></Table.Tr>
)
