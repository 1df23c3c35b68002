import { Schema } from "effect"

/** What a model server tells of what it used. */
export interface Usage {
  readonly prompt_tokens?: number
  readonly completion_tokens?: number
  readonly total_tokens?: number
  readonly cost?: number
}

const UsageSchema = Schema.Struct({
  prompt_tokens: Schema.optionalKey(Schema.Finite),
  completion_tokens: Schema.optionalKey(Schema.Finite),
  total_tokens: Schema.optionalKey(Schema.Finite),
  cost: Schema.optionalKey(Schema.Finite)
})

/** An answer in one piece. */
export const Completion = Schema.Struct({
  model: Schema.optionalKey(Schema.String),
  choices: Schema.NonEmptyArray(Schema.Struct({ message: Schema.Struct({ content: Schema.String }) })),
  usage: Schema.optionalKey(Schema.NullOr(UsageSchema))
})

/** A piece of a streamed one. */
const Piece = Schema.Struct({
  model: Schema.optionalKey(Schema.String),
  choices: Schema.Array(Schema.Struct({ delta: Schema.optionalKey(Schema.Struct({ content: Schema.optionalKey(Schema.NullOr(Schema.String)) })) })),
  usage: Schema.optionalKey(Schema.NullOr(UsageSchema))
})
const readPiece = Schema.decodeUnknownOption(Schema.fromJsonString(Piece))

/** What has come of a streamed answer so far. */
export interface Reading {
  /** Text of lines that are not complete yet. */
  readonly rest: string
  readonly model: string | undefined
  readonly usage: Usage | undefined
  readonly isDone: boolean
  readonly isMalformed: boolean
}

export const nothingRead: Reading = { rest: "", model: undefined, usage: undefined, isDone: false, isMalformed: false }

/** Take in more of a stream of Server-Sent Events: what the model said in it, and where the reading stands. Pure. */
export const readMore = (held: Reading, text: string): { readonly reading: Reading; readonly said: string } => {
  const lines = (held.rest + text).split(/\r?\n/)
  let reading: Reading = { ...held, rest: lines.pop() ?? "" }
  let said = ""
  for (const line of lines) {
    if (!line.startsWith("data:") || reading.isDone) continue
    const data = line.slice("data:".length).trim()
    if (data === "[DONE]") {
      reading = { ...reading, isDone: true }
      continue
    }
    const piece = readPiece(data)
    if (piece._tag === "None") {
      reading = { ...reading, isMalformed: true }
      continue
    }
    const { choices, model, usage } = piece.value
    said += choices[0]?.delta?.content ?? ""
    reading = { ...reading, model: model ?? reading.model, usage: usage ?? reading.usage }
  }
  return { reading, said }
}
