// Goal: how much of the labelled personal data redaction finds, what it hides by mistake, and how fast it is; npm `redact-pii` beside it.
// Method: every file of ../shared/data/pii once; a label counts as found when no digit or letter of it is left. The reference
// tells no places: there a label counts as found as soon as it does not stand whole in what comes out.
import { existsSync, readFileSync } from "node:fs"
// not from its index, which loads a cloud client; that, its 120 packages and an installation script are overridden away in package.json
import { SyncCompositeRedactor } from "redact-pii/lib/SyncCompositeRedactor.js"
import type { Kind } from "../../src/privacy/kinds.ts"
import { redact, type RedactOptions } from "../../src/privacy/redact.ts"

export const dataUrl = new URL("../../../shared/data/pii/", import.meta.url)

interface Label {
  readonly kind: string
  readonly start: number
  readonly end: number
  readonly text: string
  readonly luhn?: boolean
}
interface Row {
  readonly id: string
  readonly text: string
  readonly spans: ReadonlyArray<Label>
}

/** One kind in one file. */
export interface Recall {
  readonly file: string
  readonly kind: string
  readonly labels: number
  readonly found: number
  /** The same, and under the labelled kind. */
  readonly sameKind: number
  readonly missed: ReadonlyArray<{ readonly id: string; readonly label: string; readonly text: string }>
}

export interface FalseHit {
  readonly file: string
  readonly kind: Kind
  readonly hit: string
  readonly text: string
}

export const lines = <A>(file: string): ReadonlyArray<A> =>
  readFileSync(new URL(file, dataUrl), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as A)

const labelled = ["presidio_synth_v2", "presidio_unit_cases", "datafog_corpus", "small_unit_cases"] as const
const kindsInData = ["email", "phone", "ssn", "credit_card"] as const

/** Labels count code points or UTF-16 units, by file: the labelled text is looked up where it is nearest. */
const place = (row: Row, label: Label): { readonly start: number; readonly end: number } => {
  if (row.text.slice(label.start, label.end) === label.text) return label
  const shift = [...row.text].slice(0, label.start).join("").length
  return { start: shift, end: shift + label.text.length }
}

const rowsOf = (file: string): ReadonlyArray<Row> =>
  file === "validatorjs_values"
    ? lines<{ id: string; kind: string; valid: boolean; text: string }>(`${file}.jsonl`).map(({ id, kind, text, valid }) => ({
      id,
      text,
      spans: valid ? [{ kind, start: 0, end: text.length, text }] : []
    }))
    : lines<Row>(`${file}.jsonl`)

/** Recall of every kind in every labelled file. Positions whose label is spaces or punctuation only need not be covered. */
export const recalls = (options?: RedactOptions): ReadonlyArray<Recall> =>
  [...labelled, "validatorjs_values"].flatMap((file) => {
    const rows = rowsOf(file).map((row) => ({ row, spans: redact(row.text, options).spans }))
    return kindsInData.map((kind): Recall => {
      const missed: Array<Recall["missed"][number]> = []
      let labels = 0
      let sameKind = 0
      for (const { row, spans } of rows) {
        for (const label of row.spans.filter((candidate) => candidate.kind === kind)) {
          labels++
          const { end, start } = place(row, label)
          const over = spans.filter((span) => span.start < end && start < span.end)
          const left = [...row.text.slice(start, end)].filter((character, i) =>
            /[\p{L}\p{N}]/u.test(character) && !over.some((span) => span.start <= start + i && start + i < span.end))
          if (over.length === 0 || left.length > 0) missed.push({ id: row.id, label: label.text, text: row.text.slice(0, 200) })
          else if (over.some((span) => span.kind.toLowerCase() === kind)) sameKind++
        }
      }
      return { file, kind, labels, found: labels - missed.length, sameKind, missed }
    }).filter((row) => row.labels > 0)
  })

interface Example {
  readonly region: string
  readonly e164: string
  readonly type: string
}

/** Regions of the example numbers, written internationally in a sentence: found and tried. */
export const regions = (): ReadonlyMap<string, { found: number; tried: number; missed: Array<string> }> => {
  const byRegion = new Map<string, { found: number; tried: number; missed: Array<string> }>()
  for (const example of lines<Example>("phone_examples_all_regions.jsonl")) {
    const row = byRegion.get(example.region) ?? { found: 0, tried: 0, missed: [] }
    row.tried++
    if (redact(`Ask ${example.e164} about it.`).text === "Ask [REDACTED_PHONE] about it.") row.found++
    else row.missed.push(`${example.e164} ${example.type}`)
    byRegion.set(example.region, row)
  }
  return byRegion
}

/** What is hidden in texts that hold nothing to hide. */
export const falseHits = (): ReadonlyArray<FalseHit> =>
  [
    ...lines<{ text: string }>("clean_text_dev.jsonl").map(({ text }) => ({ file: "clean_text_dev", text, spans: [] as ReadonlyArray<Label>, row: undefined })),
    ...labelled.flatMap((file) => rowsOf(file).map((row) => ({ file, text: row.text, spans: row.spans, row })))
  ].flatMap(({ file, row, spans, text }) =>
    redact(text).spans
      .filter((hit) => row === undefined || !spans.map((label) => place(row, label)).some((label) => label.start < hit.end && hit.start < label.end))
      .map((hit) => ({ file, kind: hit.kind, hit: text.slice(hit.start, hit.end), text: text.slice(0, 200) })))

/** The reference with its rules for our four kinds alone, and as it comes: any four digits, names, addresses and URLs go too. */
const off = { enabled: false }
const references: ReadonlyArray<(text: string) => string> = [
  new SyncCompositeRedactor({
    builtInRedactors: { names: off, streetAddress: off, zipcode: off, ipAddress: off, username: off, password: off, credentials: off, digits: off, url: off }
  }).redact,
  new SyncCompositeRedactor().redact
]

/** Its patterns are not linear: on one text of 110,000 letters it was at work for twenty seconds. */
const referenceMaxLength = 10_000

/** Share of a file's labels, by kind, that do not stand in what the reference leaves; texts too long for it are left out. */
const referenceRecall = (file: string, hide: (text: string) => string): ReadonlyMap<string, string> => {
  const counts = new Map<string, { found: number; labels: number }>()
  for (const row of rowsOf(file).filter(({ text }) => text.length <= referenceMaxLength)) {
    const left = hide(row.text)
    for (const label of row.spans) {
      const count = counts.get(label.kind) ?? { found: 0, labels: 0 }
      counts.set(label.kind, { found: count.found + (left.includes(label.text) ? 0 : 1), labels: count.labels + 1 })
    }
  }
  return new Map([...counts].map(([kind, { found, labels }]) => [kind, percent(found, labels)]))
}

const referenceOnPhones = (hide: (text: string) => string): { readonly found: number; readonly lowest: number } => {
  const byRegion = new Map<string, { found: number; tried: number }>()
  for (const { e164, region } of lines<Example>("phone_examples_all_regions.jsonl")) {
    const row = byRegion.get(region) ?? { found: 0, tried: 0 }
    row.tried++
    if (!hide(`Ask ${e164} about it.`).includes(e164)) row.found++
    byRegion.set(region, row)
  }
  const all = [...byRegion.values()]
  return { found: all.reduce((sum, row) => sum + row.found, 0), lowest: Math.min(...all.map((row) => row.found / row.tried)) }
}

/** How long each rate is measured, in microseconds of processor time: long enough for the compiler to have done its work. */
const measured = 1e6

/** Megabytes of UTF-8 a second of processor time over `texts`, best of all rounds: other processes do not count. */
const speedOf = (hide: (text: string) => unknown, texts: ReadonlyArray<string>): number => {
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  let best = 0
  for (let spent = 0; spent < measured;) {
    const before = process.cpuUsage()
    for (const text of texts) hide(text)
    const { system, user } = process.cpuUsage(before)
    spent += user + system
    best = Math.max(best, bytes / (user + system))
  }
  return best
}

const percent = (part: number, whole: number): string => `${(100 * part / whole).toFixed(1)} %`

/** The table as text, or why there is none. */
export const privacyTable = (): string => {
  if (!existsSync(dataUrl)) return "skipped: ../shared/data missing"
  const out = [
    "| file | kind | labels | found | under that kind | recall | redact-pii, these kinds | redact-pii as it comes |",
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
  ]
  const line = (...cells: ReadonlyArray<string | number>) => out.push(`| ${cells.join(" | ")} |`)
  const rows = recalls()
  const theirs = new Map([...new Set(rows.map(({ file }) => file))].map((file) => [file, references.map((hide) => referenceRecall(file, hide))] as const))
  for (const { file, found, kind, labels, sameKind } of rows) {
    line(file, kind, labels, found, sameKind, percent(found, labels), ...theirs.get(file)!.map((of) => of.get(kind) ?? ""))
  }
  const all = [...regions().values()]
  const sum = (pick: (row: (typeof all)[number]) => number): number => all.reduce((total, row) => total + pick(row), 0)
  const tried = sum((row) => row.tried)
  const found = sum((row) => row.found)
  const ofRegions = (part: number, lowest: number) => `${percent(part, tried)}, lowest region ${percent(lowest, 1)}`
  line("phone_examples_all_regions", "phone", tried, found, found, ofRegions(found, Math.min(...all.map((row) => row.found / row.tried))),
    ...references.map(referenceOnPhones).map((reference) => ofRegions(reference.found, reference.lowest)))
  const clean = lines<{ text: string }>("clean_text_dev.jsonl").map((row) => row.text)
  const altered = (count: number) => `${count} texts altered`
  line("clean_text_dev", "any", `none in ${clean.length} texts`, 0, 0, altered(clean.filter((text) => redact(text).text !== text).length),
    ...references.map((hide) => altered(clean.filter((text) => hide(text) !== text).length)))
  const synthetic = lines<{ text: string }>("presidio_synth_v2.jsonl").map((row) => row.text)
  for (const [file, texts] of [["clean_text_dev", clean], ["presidio_synth_v2", synthetic]] as const) {
    line(file, "MB/s", "", "", "", speedOf((text) => redact(text), texts).toFixed(1), ...references.map((hide) => speedOf(hide, texts).toFixed(1)))
    line(`${file}, as one text`, "MB/s", "", "", "", speedOf((text) => redact(text), [texts.join("\n")]).toFixed(1), "", "")
  }
  return out.join("\n")
}

if (import.meta.main) {
  console.log(privacyTable())
  if (process.argv.includes("--missed")) {
    for (const row of recalls()) for (const miss of row.missed) console.log("missed", row.file, row.kind, JSON.stringify(miss))
    for (const [region, row] of regions()) if (row.missed.length > 0) console.log("region", region, row)
    for (const hit of falseHits()) console.log("extra", JSON.stringify(hit))
  }
}
