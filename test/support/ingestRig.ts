import { Effect, Result } from "effect"
import { defaults } from "../../streams/events/settings.ts"
import { frame } from "../../src/security/commit.ts"
import { openData } from "../../src/security/envelopes.ts"
import { keyId } from "../../src/security/keys.ts"
import type { EventLog } from "../../src/nats/EventLog.ts"
import { makeMemoryLog, type MemoryLogOptions } from "../../src/nats/memoryLog.ts"
import { makeCommitter } from "../../src/hosted/Committer.ts"
import { type Heads, makeHeads } from "../../src/hosted/Heads.ts"
import { ingestCommit, type IngestFacts } from "../../src/hosted/ingest.ts"
import { type Author, LogHistory, makeKeys, type Written } from "./logHistory.ts"

/** Now, in these tests: within the registration, after every event. */
export const now = "2026-11-22T12:00:00.000Z"
export const keys = Effect.runPromise(makeKeys(["hosted", "ada", "bob", "mallory", "next"]))

/** What hosted knows of ada when her commit arrives, all in order. */
export const factsOf = (log: LogHistory, author: Author, otherwise: Partial<IngestFacts> = {}): IngestFacts => ({
  tenant: log.tenant,
  sender: author.id,
  now,
  device: deviceOf(author),
  revoked: false,
  companion: () => undefined,
  settings: defaults,
  settingsSeq: 0,
  greatestLamport: 100,
  draw: () => Effect.succeed({ granted: true, limit: 100, remaining: 99, retryAfterMillis: 0 }),
  unseal: (envelope) => Result.mapError(openData(envelope, (kid) => kid === log.key.kid ? log.key : undefined), ({ _tag }) => _tag),
  ...otherwise
})

export const deviceOf = (author: Author): NonNullable<IngestFacts["device"]> => ({
  backendId: author.backendId,
  keys: [{ keyId: keyId(author.pair.publicPem), publicKey: author.pair.publicPem }],
  expiresAt: "2026-11-22T18:00:00.000Z"
})

export const framed = (record: Written, events: ReadonlyArray<Written>): Uint8Array => frame(record.data, events.map(({ data }) => data))

/** Ingest over a log in memory: everything of the hosted side between the request and the store. */
export const makeIngest = (options: MemoryLogOptions & { readonly facts: (tenant: string, sender: string) => IngestFacts | undefined }) =>
  Effect.gen(function*() {
    const log: EventLog = yield* makeMemoryLog("LOG", options)
    const heads: Heads = makeHeads(log)
    const keysOf = (chain: string) => options.facts(chain.split(".")[0]!, chain.split(".")[1]!)?.device?.keys ?? []
    const committer = yield* makeCommitter(log, (chain) => {
      const [tenant = "", author = ""] = chain.split(".")
      return heads.read(tenant, author, keysOf(chain)).pipe(Effect.map(({ fence }) => fence), Effect.orElseSucceed(() => undefined))
    })
    yield* Effect.forkScoped(committer.run)
    const context = { facts: options.facts, refresh: () => Effect.void, heads, committer, committed: () => Effect.void, refused: () => Effect.void,
    offered: () => {} }
    const ask = (tenant: string, sender: string, data: Uint8Array) => ingestCommit(context, tenant, sender, data)
    return { log, heads, ask }
  })

/** A tenant with ada and bob joined, whose later commits are not in the log yet. */
export const makeTenant = async () => {
  const made = await keys
  const log = new LogHistory(made["hosted"]!)
  return { log, ada: log.join("ada", made["ada"]!), bob: log.join("bob", made["bob"]!), mallory: made["mallory"]!, next: made["next"]! }
}
