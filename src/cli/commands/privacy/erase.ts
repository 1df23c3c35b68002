import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as Stdio from "effect/Stdio"
import { ErasedAnswer } from "../../answers.ts"
import { reading, type Where, where } from "../../backend.ts"
import { ask } from "../../call.ts"
import { misused, refused } from "../../failure.ts"
import { answer } from "../../print.ts"
import { plural, time } from "../../text.ts"

/** A hub that has millions of messages to take out, and devices to tell. */
const timeoutMillis = 600_000

/** `privacy erase`: everything of a person goes, everywhere. Asked once more where a person sits; `--yes` for scripts. */
export const erase = Command.make(
  "erase",
  { ...where, yes: Flag.Boolean("yes").pipe(Flag.withDescription("Do not ask once more"), Flag.withDefault(false)) },
  Effect.fn(function*(flags: Where & { readonly yes: boolean }) {
    const backend = yield* reading(flags)
    if (!flags.yes) yield* confirmed
    const { raw, value } = yield* ask(backend, ErasedAnswer, { method: "DELETE", path: "/privacy/data", timeoutMillis })
    yield* answer(raw, () => sentence(value))
  })
).pipe(
  Command.withDescription("Erase everything: on hosted, on this machine, and on your other devices as they come online"),
  Command.withExamples([{ command: "maestra privacy export && maestra privacy erase", description: "Take everything along first: an erasure cannot be undone" }])
)

const confirmed = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  if (!(yield* stdio.stdinIsTerminal)) return yield* misused("not-confirmed", "nothing was erased: this cannot be undone, so it wants --yes", "`maestra privacy export` first, if anything should be kept.")
  const sure = yield* Prompt.run(Prompt.Confirm({ message: "Erase everything, on hosted and on every device? This cannot be undone.", initial: false })).pipe(Effect.orElseSucceed(() => false))
  if (!sure) return yield* refused("not-confirmed", "nothing was erased")
})

const sentence = ({ devices, erased_at, tenant, to_do }: typeof ErasedAnswer.Type): string => {
  const waiting = devices.filter(({ reached }) => !reached)
  return [
    tenant === null ? "erased everything on this machine; it belongs to nobody" : `erased everything of ${tenant} on ${time(erased_at)} UTC: log, telemetry, secrets and keys`,
    ...(waiting.length === 0 ? [] : [`${plural(waiting.length, "device has", "devices have")} not heard of it and will erase when they come online: ${waiting.map(({ peer_id }) => peer_id).join(", ")}`]),
    ...(to_do === null ? [] : [to_do])
  ].join("\n")
}
