import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Progress } from "./answers.ts"
import type { Backend } from "./backend.ts"
import { lines, ofProblem, type Request } from "./call.ts"
import { failed } from "./failure.ts"
import { progressBar } from "./progress.ts"

/** A request can be silent for long before its first line: a whole log is being opened. */
const workTimeoutMillis = 600_000

/** Long work on the backend: a bar while it goes on, its result at the end. */
export const follow = Effect.fnUntraced(function*(backend: Backend, what: string, request: Request) {
  const bar = yield* progressBar(what)
  let last: Progress | undefined
  yield* lines(backend, Progress, { ...request, timeoutMillis: workTimeoutMillis }).pipe(
    Stream.runForEach((progress) => {
      last = progress
      return bar.show({ at: progress.at, of: progress.of, done: progress.at, unit: "events" })
    }),
    Effect.ensuring(bar.clear)
  )
  if (last?.problem !== undefined) return yield* ofProblem(backend, last.problem, 500)
  if (last?.done !== true) {
    return yield* failed("unfinished", `the backend stopped ${what} before the end`, "Run it again; the backend's log says why it stopped.")
  }
  return { ...last, seconds: (yield* bar.elapsedMillis) / 1000 }
})
