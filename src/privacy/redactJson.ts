import { redact, type RedactOptions } from "./redact.ts"

/** What `JSON.parse` returns. */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [key: string]: Json }

export interface RedactedJson {
  readonly value: Json
  readonly changed: boolean
}

/** A container being rebuilt: what is still to be read, and what was written so far. */
interface Frame {
  readonly entries: ReadonlyArray<readonly [string, Json]>
  readonly list: Array<Json> | undefined
  readonly fields: Map<string, Json>
  /** How many keys became this placeholder so far. */
  readonly repeats: Map<string, number>
  /** The name this container goes by in the one around it. */
  readonly name: string
  next: number
}

/**
 * Redact every string, number and key of a JSON value, however deep. For telemetry metadata.
 *
 * A value is read together with its key, so that `{"phone": "4673395"}` is a phone and `{"order_id": "5551234567"}` is
 * not. A number that is hidden becomes its placeholder, a string. Keys that redaction makes equal are numbered: nothing
 * disappears. What needs no change is returned as it was given.
 */
export const redactJson = (value: Json, options?: RedactOptions): RedactedJson => {
  let changed = false
  const leaf = (name: string, json: string | number | boolean | null): Json => {
    if (typeof json !== "string" && typeof json !== "number") return json
    const redacted = redactLeaf(name, json, options)
    if (redacted === undefined) return json
    changed = true
    return redacted
  }
  if (typeof value !== "object" || value === null) {
    const written = leaf("", value)
    return { value: written, changed }
  }
  // a loop instead of recursion: nesting is the sender's choice, and the stack is not
  const stack: Array<Frame> = [open(value, "")]
  for (;;) {
    const frame = stack.at(-1)!
    const entry = frame.entries[frame.next++]
    if (entry === undefined) {
      stack.pop()
      const built = close(frame)
      const parent = stack.at(-1)
      if (parent === undefined) return changed ? { value: built, changed } : { value, changed }
      put(parent, frame.name, built)
      continue
    }
    const [key, json] = entry
    if (frame.list === undefined) {
      const name = redact(key, options).text
      if (name !== key) changed = true
      if (typeof json === "object" && json !== null) stack.push(open(json, name))
      else put(frame, name, leaf(name, json))
    } else if (typeof json === "object" && json !== null) stack.push(open(json, frame.name))
    else put(frame, frame.name, leaf(frame.name, json))
  }
}

const open = (json: ReadonlyArray<Json> | { readonly [key: string]: Json }, name: string): Frame =>
  isList(json)
    ? { entries: json.map((item) => ["", item] as const), list: [], fields: new Map(), repeats: new Map(), name, next: 0 }
    : { entries: Object.entries(json), list: undefined, fields: new Map(), repeats: new Map(), name, next: 0 }

const isList = (json: Json): json is ReadonlyArray<Json> => Array.isArray(json)

const put = (frame: Frame, name: string, json: Json): void => {
  if (frame.list !== undefined) {
    frame.list.push(json)
    return
  }
  let unique = name
  while (frame.fields.has(unique)) {
    const repeat = (frame.repeats.get(name) ?? 1) + 1
    frame.repeats.set(name, repeat)
    unique = `${name} ${repeat}`
  }
  frame.fields.set(unique, json)
}

// fromEntries defines own properties, `__proto__` included
const close = (frame: Frame): Json => frame.list ?? Object.fromEntries(frame.fields)

/** Keys longer than this say nothing more about their values. */
const keyMax = 64

/** The value as it may leave, or `undefined` when nothing in it is hidden. The key was redacted before: twice gives the same. */
const redactLeaf = (key: string, json: string | number, options: RedactOptions | undefined): string | undefined => {
  const text = String(json)
  const lead = key === "" || key.length > keyMax ? "" : `${key}: `
  const { spans, text: redacted } = redact(lead + text, options)
  if (spans.length === 0) return undefined
  // nine digits in a row are a form of an SSN in prose; as a JSON number they are a size or a count, unless the key says
  if (typeof json === "number" && spans[0]!.kind === "SSN" && !/ssn|social/i.test(key)) return undefined
  if (spans[0]!.start >= lead.length) return redacted.slice(lead.length)
  // key and value together made something of the key: then the value is read alone
  const alone = redact(text, options)
  return alone.spans.length === 0 ? undefined : alone.text
}
