import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Verified } from "../answers.ts"
import { type Where, reading, where } from "../backend.ts"
import { notUnderstood } from "../call.ts"
import { failed } from "../failure.ts"
import { follow } from "../following.ts"
import { answer, note } from "../print.ts"
import { count, duration, oneLine, plural } from "../text.ts"

/** `verify`: signatures, chains and hashes of a whole log, again. Exit 1 when something does not hold. */
export const verify = Command.make(
  "verify",
  { ...where },
  Effect.fn(function*(flags: Where) {
    const backend = yield* reading(flags)
    const { result, seconds } = yield* follow(backend, "verifying", { method: "POST", path: "/verify" })
    const verified = yield* Schema.decodeUnknownEffect(Verified)(result).pipe(Effect.mapError(() => notUnderstood))
    yield* answer(result, () => sentence(verified, seconds))
    for (const problem of verified.problems) yield* note(`sequence ${count(problem.seq)}: ${problem.what}${problem.detail === undefined ? "" : ` — ${oneLine(problem.detail, 200)}`}`)
    if (verified.ok) return
    const damaged = verified.problems.filter(({ what }) => what !== "parked").length
    return yield* failed(
      "log-damaged",
      `${plural(damaged, "place")} of the log ${damaged === 1 ? "does" : "do"} not hold; readers leave out what is damaged and go on`,
      "`maestra resync` fetches a damaged local copy again; on hosted, restore the log from a backup."
    )
  })
).pipe(Command.withDescription("Check every signature, chain and hash of the log again"))

const sentence = (verified: typeof Verified.Type, seconds: number): string =>
  `${verified.ok ? "all holds" : "damaged"}: ${plural(verified.commits, "commit")}, ${plural(verified.events, "event")} checked in ${duration(seconds * 1000)}${verified.digest === undefined ? "" : `\ndigest ${verified.digest}`}`
