import { jsonOf } from "../http.ts"
import { MaestraError, problemOf } from "../problems.ts"
import { readSent } from "../serverSentEvents.ts"
import type { Advice } from "./answers.ts"
import { type Access, requestsTo, streamFrom } from "./Requests.ts"

export interface Question {
  readonly question: string
  readonly conversation_id?: string
  /** The same again, after a failure, adds no second question. */
  readonly message_id?: string
  readonly model?: string
  readonly surface?: string
}

/** The model server of a local backend's settings. */
export interface Advisor {
  readonly ask: (question: Question) => Promise<Advice>
  /** Told piece by piece. Aborting stops the telling; the question is kept. */
  readonly askStreaming: (question: Question, onText: (text: string) => void, signal?: AbortSignal) => Promise<Advice>
  /** Its key goes into the machine's keychain; empty removes it. */
  readonly setKey: (key: string) => Promise<{ readonly sentence: string }>
}

/** Slower than any model server is given. Milliseconds. */
const patienceMillis = 600_000
const path = "/api/maestra/advisor/ask"

export const advisorOf = (access: Access): Advisor => {
  const request = requestsTo(access)
  return {
    ask: (question) => request("POST", path, { body: question, patienceMillis }),
    askStreaming: async (question, onText, signal) => {
      const body = await streamFrom(access, "POST", path, { body: JSON.stringify({ ...question, stream: true }), ...(signal === undefined ? {} : { signal }) })
      for await (const { data, event } of readSent(body)) {
        if (event === "problem") throw problemOf(jsonOf(data))
        if (event === "delta") onText((jsonOf(data) as { readonly text: string }).text)
        if (event === "answer") return jsonOf(data) as Advice
      }
      throw new MaestraError("unreachable", "the answer broke off", { hint: "Ask again, with the same message_id." })
    },
    setKey: (key) => request("PUT", "/api/maestra/advisor/key", { body: { key } })
  }
}
