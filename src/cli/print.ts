import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Json } from "./settings.ts"

/** The answer of a command on stdout: `document` as one JSON line for scripts, else the sentence for people. */
export const answer = (document: unknown, sentence: () => string) =>
  Effect.gen(function*() {
    yield* Console.log((yield* Json) ? JSON.stringify(document) : sentence())
  })

/** Something worth knowing that is not the answer: stderr, so that pipes stay clean. */
export const note = (sentence: string) => Console.error(sentence)

/** Characters in a line of this terminal; where it is none, as many as there are. */
export const lineWidth = (): number => process.stdout.columns ?? Infinity
