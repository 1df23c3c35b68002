import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { madeLayout } from "../../../hosted/cluster/layout.ts"
import { clusterDir, notAsked } from "../../clusterPlace.ts"
import { type CliFailure, failed } from "../../failure.ts"
import { answer } from "../../print.ts"
import { progressBar } from "../../progress.ts"
import { asText, logging } from "../../serving/serve.ts"
import { count, duration, plural, table } from "../../text.ts"

type Verified = Effect.Success<ReturnType<typeof import("../../../hosted/cluster/verify.ts").verifyCopies>>

/** `hosted cluster verify`: whether every server's own copy is what the others hold. Exit 1 where not. */
export const clusterVerify = Command.make(
  "verify",
  {},
  Effect.fn(function*() {
    const dir = yield* clusterDir
    const layout = yield* madeLayout(dir).pipe(Effect.mapError(({ hint, why }) => failed("no-cluster", why, hint)))
    const { verifyCopies } = yield* Effect.promise(() => import("../../../hosted/cluster/verify.ts"))
    const bar = yield* progressBar("comparing")
    const told = yield* verifyCopies(dir, layout, (at, of) => bar.show({ at, of, done: at, unit: "messages" })).pipe(
      Effect.mapError(notAsked("the copies were not compared")),
      Effect.ensuring(bar.clear))
    const seconds = (yield* bar.elapsedMillis) / 1000
    yield* answer({ ...told, seconds }, () => sentence(told, seconds))
    if (!told.equal) return yield* spoiled(told)
  }, Effect.provide(logging(asText)))
).pipe(
  Command.withDescription("Compare every server's own copy of every stream, message by message; exit code 1 where they differ. Nothing stops meanwhile, no leader changes: each server reads all it has once"),
  Command.withExamples([{ command: "maestra hosted cluster verify", description: "Where the cluster was made, with MAESTRA_MASTER_KEY; all three servers running" }])
)

const sentence = ({ equal, messages, streams }: Verified, seconds: number): string =>
  equal
    ? `the copies are the same: ${plural(messages, "message")} of ${plural(streams.length, "stream")}, on each server, compared in ${duration(seconds * 1000)}`
    : ["the copies differ", "", table(streams.flatMap(({ more, spoiled, stream }) => spoiled.map(({ first_seq, missing, other, server }) => [
      `  ${server}`, stream,
      (more ? "at least: " : "") + [...missing === 0 ? [] : [`lacks ${plural(missing, "message")}`], ...other === 0 ? [] : [`holds ${plural(other, "message")} otherwise`]].join(", "),
      `from sequence ${count(first_seq)} on`
    ])))].join("\n")

/** What to do depends on whether somebody holds all of it. */
const spoiled = ({ streams }: Verified): CliFailure => {
  const servers = [...new Set(streams.flatMap((stream) => stream.spoiled.map(({ server }) => server)))].sort()
  const [one, ...more] = servers
  return more.length === 0
    ? failed("copies-differ", `the copy on ${one} is not what the two others hold`, `See to ${one}'s disk: stop its nats-server, and no other, give it an empty store and start it. When \`maestra hosted cluster status\` says that every copy is whole, ask again.`)
    : failed("copies-differ", `the copies on ${servers.join(" and ")} are not what they should be`, "Give no server an empty disk yet: more than one copy is spoiled. docs/CLUSTER.md says what to do then.")
}
