import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { join } from "node:path"
import { complain, sentence } from "../commands/import.ts"
import { type CliFailure, failed } from "../failure.ts"
import { importFile } from "../importing/importFile.ts"
import { prefixFor } from "../prefix.ts"
import { answer, note } from "../print.ts"
import { refuseSecond } from "../serving/folder.ts"
import { endsOnSignal } from "../serving/serve.ts"
import { dataDirOr, Json } from "../settings.ts"
import { count, duration, table } from "../text.ts"
import { agree, type Agreement } from "./agreement.ts"
import { type Child, startChild } from "./child.ts"
import { happenings, line } from "./happenings.ts"
import { pairAll } from "./pairing.ts"
import { openPlace, type Place, withFreePorts } from "./place.ts"

export interface DemoOptions {
  readonly once: boolean
  readonly file: string | undefined
  /** Give up when nothing has moved for so long. */
  readonly stillMillis: number
}

/** The whole demo, from the first process to the last. */
export const runDemo = Effect.fnUntraced(function*(options: DemoOptions) {
  const start = yield* Clock.currentTimeMillis
  const opened = yield* openPlace(yield* dataDirOr("./.maestra-demo"))
  yield* refuseSecondDemo(opened)
  const place = yield* withFreePorts(opened)
  yield* note(place.isNew
    ? `a new demo in ${place.dir}; its keys lie under a throw-away passphrase in demo.json there (mode 0600), not in the keychain`
    : `going on with the demo in ${place.dir}`)
  const natsServer = yield* findNatsServer
  if (!options.once) yield* endsOnSignal
  const children = yield* startAll(place, natsServer)
  const work = Effect.gen(function*() {
    const tenant = yield* pairAll(place, children)
    const laptop = children.find(({ name }) => name === "laptop")
    if (options.file !== undefined && laptop !== undefined) {
      const result = yield* importFile(laptop.backend, options.file)
      yield* note(sentence(result))
      yield* Effect.catch(complain(result), ({ sentence: what }) => note(`maestra: ${what}`))
    }
    if (options.once || (yield* Json)) {
      const agreement = yield* agree(children, tenant, options.stillMillis)
      const seconds = ((yield* Clock.currentTimeMillis) - start) / 1000
      yield* answer({ equal: agreement.equal, seconds, backends: agreement.backends }, () => result(agreement, seconds))
      if (!agreement.equal) return yield* lags(agreement, options.stillMillis)
    }
    if (!options.once) yield* stay(place, children, tenant)
  })
  yield* children.reduce((effect: Effect.Effect<void, CliFailure, Effect.Services<typeof work>>, { died }) => Effect.raceFirst(effect, died), work)
}, Effect.scoped)

/** Beside one that runs, its devices could not be started either. */
const refuseSecondDemo = (place: Place) =>
  refuseSecond("hosted", join(place.folder("hosted"), "hosted")).pipe(
    Effect.mapError(() => failed("already-running", `the demo in ${place.dir} runs already`, "Its commands are on the screen it was started on, and Ctrl-C there stops it. Another demo wants another folder: MAESTRA_DATA_DIR=FOLDER.")))

/** Once for all three, so that it is fetched once and the progress is seen. */
const findNatsServer = Effect.gen(function*() {
  const { findServer } = yield* Effect.promise(() => import("../../nats/binary.ts"))
  const found = yield* findServer({ say: note }).pipe(Effect.mapError((error) => failed(error._tag, error.message)))
  return found.path
})

const startAll = Effect.fnUntraced(function*(place: Place, natsServer: string) {
  yield* note("starting hosted, laptop and desktop …")
  const hosted = yield* startChild(place, "hosted", natsServer)
  const devices = yield* Effect.forEach(["laptop", "desktop"] as const, (name) => startChild(place, name, natsServer), { concurrency: "unbounded" })
  const children: ReadonlyArray<Child> = [hosted, ...devices]
  return children
})

/** Show what there is and what happens, until Ctrl-C. */
const stay = Effect.fnUntraced(function*(place: Place, children: ReadonlyArray<Child>, tenant: string) {
  const json = yield* Json
  if (!json) yield* Console.log(screen(place, children, tenant))
  yield* happenings(children, tenant).pipe(
    Stream.runForEach((happening) => Console.log(json ? JSON.stringify(happening) : line(happening))),
    Effect.onInterrupt(() => note("stopping all three …"))
  )
})

const result = (agreement: Agreement, seconds: number): string =>
  [
    agreement.equal ? `all three agree after ${duration(seconds * 1000)}` : "they do not agree",
    "",
    table(agreement.backends.map((each) => [`  ${each.name}`, `${count(each.conversations)} conversations`, `${count(each.messages)} messages`, each.digest]))
  ].join("\n")

const lags = (agreement: Agreement, stillMillis: number) =>
  failed("not-in-step", `nothing has moved for ${duration(stillMillis)}, and not in step: ${agreement.lagging.join(", ")}`, "The logs are up.log in each backend's folder; --timeout waits longer.")

const screen = (place: Place, children: ReadonlyArray<Child>, tenant: string): string => {
  const [hosted, laptop, desktop] = [prefixFor(place.folder("hosted")), prefixFor(place.folder("laptop")), prefixFor(place.folder("desktop"))]
  return [
    "",
    "one person's laptop and desktop, and the hosted backend between them:",
    "",
    table(children.map(({ name, backend }) => [`  ${name}`, backend.url, place.folder(name)])),
    "",
    "try, in another terminal in this folder:",
    "",
    table([
      [`  ${laptop} send groceries "buy milk"`, "write on the laptop"],
      [`  ${desktop} show groceries`, "it is on the desktop"],
      [`  ${hosted} list --on hosted --tenant ${tenant}`, "and on hosted"],
      [`  ${desktop} local pause`, "cut the desktop off, write on both sides, then"],
      [`  ${desktop} local resume`, "let them meet again"],
      [`  ${laptop} conflicts`, "both changed the same message? nothing is lost"],
      [`  ${laptop} status`, "in step, sending, offline …"]
    ]),
    "",
    "Ctrl-C stops all three; the next start goes on where this one was.",
    "",
    "what happens from here on:"
  ].join("\n")
}
