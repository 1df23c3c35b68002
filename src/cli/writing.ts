import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { Wrote } from "./answers.ts"
import { type Where, where, writing } from "./backend.ts"
import { ask, type Request } from "./call.ts"
import { failed } from "./failure.ts"
import { answer } from "./print.ts"

type Tier = "local" | "hosted" | "everywhere"

/** Whoever wants to wait for longer than one request may last asks `status`. */
const waitMaxSeconds = 60

/** The flags of every command that writes. */
export const writeFlags = {
  ...where,
  wait: Flag.Literals("wait", ["local", "hosted", "everywhere"]).pipe(
    Flag.withDescription("Return only when the write has come this far (default local: fsynced here)"),
    Flag.withDefault("local")
  ),
  timeout: Flag.Int("timeout").pipe(
    Flag.filter((seconds) => seconds > 0 && seconds <= waitMaxSeconds, (seconds) => `Expected 1 to ${waitMaxSeconds} seconds, got ${seconds}`),
    Flag.withDescription("With --wait: seconds to wait at most, up to 60 (default 30)"),
    Flag.withDefault(30)
  )
}

/** `--if-version N`: refuse when somebody else wrote meanwhile. */
export const ifVersion = {
  ifVersion: Flag.Int("if-version").pipe(
    Flag.withDescription("Only if the conversation is still at this version, as `maestra show --json` gives it"),
    Flag.optional
  )
}

export const ifMatch = (version: Option.Option<number>): Readonly<Record<string, string>> =>
  Option.match(version, { onNone: () => ({}), onSome: (number) => ({ "if-match": `"${number}"` }) })

/** How far the tiers go; a write that reached a later one has passed the earlier. */
const rank: Record<Tier, number> = { local: 0, hosted: 1, everywhere: 2 }

const isTier = (text: string): text is Tier => text in rank

const sentences: Record<Tier, string> = { local: "saved here", hosted: "saved here and on hosted", everywhere: "on every device" }

/**
 * Do a write and say how far it came. A write that is safe here and did not come as far as `--wait` asked ends
 * with exit 1 and says not to repeat it.
 */
export const write = Effect.fnUntraced(function*(
  flags: Where & { readonly wait: Tier; readonly timeout: number },
  request: Request,
  done: (wrote: typeof Wrote.Type) => string
) {
  const backend = yield* writing(flags)
  const timeoutMillis = flags.timeout * 1000
  const { raw, value } = yield* ask(backend, Wrote, {
    ...request,
    ...(flags.wait === "local" ? {} : { query: { ...request.query, wait: flags.wait, timeout_ms: timeoutMillis }, timeoutMillis: timeoutMillis + 30_000 })
  })
  const tier = value.reached?.tier ?? "local"
  const reached = isTier(tier) ? tier : "local"
  yield* answer(raw, () => `${done(value)} (${sentences[reached]})`)
  if (rank[reached] < rank[flags.wait]) {
    const missing = value.reached?.missing ?? []
    return yield* failed(
      "not-reached",
      `the write is safe here and had not come to \`${flags.wait}\` after ${flags.timeout} s${missing.length === 0 ? "" : `; still missing: ${missing.join(", ")}`}`,
      "It goes on by itself; do not send it again. `maestra status` says what it waits for."
    )
  }
})
