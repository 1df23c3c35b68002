import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Row } from "../answers.ts"
import { find } from "../backend.ts"
import { ask } from "../call.ts"
import { answer } from "../print.ts"
import type { Side } from "../settings.ts"

const about = {
  local: { path: "/owner-sessions/end", whose: "that was let in by `maestra local open`" },
  hosted: { path: "/operator-sessions/end", whose: "that was let in with this token" }
} as const

/** `local lock`, `hosted lock`: every page that was let in is locked at once; the ones whose browser is out of reach, too. */
export const lock = (side: Side) =>
  Command.make("lock", {}, Effect.fn(function*() {
    const { raw } = yield* ask(yield* find(side), Row, { method: "POST", path: about[side].path, query: { all: "true" } })
    yield* answer(raw, () => `Every page ${about[side].whose} is locked.`)
  })).pipe(Command.withDescription(`Lock every page ${about[side].whose}`))
