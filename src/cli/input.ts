import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { failed, misused } from "./failure.ts"

/** An argument, or all of stdin where it is `-`. One line break at the end is dropped: it is the shell's, not the person's. */
export const textOrStdin = Effect.fnUntraced(function*(argument: string) {
  if (argument !== "-") return argument
  const stdio = yield* Stdio.Stdio
  const text = yield* stdio.stdin.pipe(
    Stream.decodeText,
    Stream.mkString,
    Effect.mapError(() => failed("stdin-unreadable", "stdin cannot be read; nothing was done"))
  )
  return text.replace(/\r?\n$/, "")
})

/** A secret given as an argument or on stdin, without white space around it. */
export const secretOrStdin = Effect.fnUntraced(function*(argument: string, what: string) {
  const secret = (yield* textOrStdin(argument)).trim()
  if (secret === "") return yield* misused("empty-input", `the ${what} is empty`, `Give it as the argument, or on stdin with \`-\`.`)
  return secret
})
