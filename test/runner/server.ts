import { Effect } from "effect"
import { findServer, type FoundServer } from "../../src/nats/binary.ts"

/** The nats-server the tests use, or why there is none. */
export const find = (say: (line: string) => void): Promise<FoundServer | string> =>
  findServer({ say: (line) => Effect.sync(() => say(`   ${line}`)) }).pipe(
    Effect.tap(({ path, source, version }) => Effect.sync(() => say(`nats-server ${version} from ${source}: ${path}`))),
    Effect.catch((error) => Effect.succeed(error.message)),
    Effect.runPromise
  )
