import { Clock, Context, DateTime, Effect, Layer, MutableRef, PubSub, Queue, Result, Semaphore, Stream } from "effect"
import { v7 } from "uuid"
import type { EventEntry } from "../../projections/Entry.ts"
import { Projections } from "../../projections/runner.ts"
import { adminTokens, openAdminTokens } from "../../src/hosted/adminTokens.ts"
import { operatorSessions } from "../../src/hosted/operatorSessions.ts"
import { makeMemoryKeyValue } from "../../src/nats/keyValue.ts"
import { newSecretKey } from "../../src/security/secretKey.ts"
import { AdminTokens, Keys, OperatorSessions } from "../../streams/Access.ts"
import {
  CommandFailed,
  Companions,
  type Draft,
  EventTail,
  HostedControl,
  LocalControl,
  type LocalStatus,
  Maintenance,
  Registrar,
  RegistrationRefused,
  StoreFull,
  StoreUnavailable,
  Syncing,
  type Tailed,
  WriteInvalid,
  type WriteError,
  Writer,
  type Written
} from "../../streams/Backend.ts"
import { decodeFact, definitions } from "../../streams/catalog.ts"
import { type Envelope, plain } from "../../streams/Envelope.ts"
import type { Identity } from "../../streams/events/peer.ts"
import type { AdvisorOptions } from "../../src/local/advisor.ts"
import { visitorsLayer } from "./memoryVisitors.ts"
import { hostedAudit } from "../../src/hosted/audit.ts"
import { auditSigner } from "./auditSigner.ts"
import { makeMemoryLog } from "../../src/nats/memoryLog.ts"
import { Audit } from "../../streams/Audit.ts"
import { commitEventsMax } from "../../streams/limits.ts"

/** A backend without a store: the ports of `streams/Backend.ts` in memory, over the real projections. */
export interface MemoryOptions {
  readonly side: "local" | "hosted"
  /** Session binding tokens that are good, and the tenant each speaks for. */
  readonly sessions?: Readonly<Record<string, string>>
  readonly advisor?: AdvisorOptions
}

/** What a test may turn while the backend runs, and what it may look at. */
export interface Knobs {
  /** Why the next writes fail. */
  readonly writing: MutableRef.MutableRef<"fine" | "full" | "unavailable" | "invalid">
  /** Facts as they were written, per call. */
  readonly calls: Array<ReadonlyArray<Draft>>
  /** How long a write takes, milliseconds. */
  readonly delayMillis: MutableRef.MutableRef<number>
}

export const makeKnobs = (): Knobs => ({ writing: MutableRef.make("fine"), calls: [], delayMillis: MutableRef.make(0) })

const sourceOf = (side: "local" | "hosted"): string => `${side}_sha256_${(side === "local" ? "1" : "2").repeat(64)}`

const identityOf = (side: "local" | "hosted"): Identity => ({
  backend_id: sourceOf(side),
  backend_type: side,
  public_key: "a public key",
  wrap_key: "a wrap key",
  capabilities: [],
  version: "1.0",
  created_at: "2026-11-22T10:00:00.000Z"
})

const epoch = "memory"

/** Every port of one side. Needs the projections, whose cursor it calls `journal`. */
export const memoryBackend = (options: MemoryOptions, knobs: Knobs) =>
  Layer.mergeAll(logLayer(options, knobs), registrarLayer(options), maintenanceLayer, localLayer, hostedLayer, tokensLayer, keysLayer, companionsLayer, auditLayer, visitorsLayer(options.advisor))

/** The log itself: writing, waiting until it can be read, following it. */
const logLayer = (options: MemoryOptions, knobs: Knobs) =>
  Layer.effectContext(Effect.gen(function*() {
    const projections = yield* Projections
    const source = sourceOf(options.side)
    const log: Array<{ readonly tenant: string; readonly envelope: Envelope }> = []
    const news = yield* PubSub.unbounded<number>()
    const toProject = yield* Queue.unbounded<ReadonlyArray<EventEntry>>()
    const turn = yield* Semaphore.make(1)
    // projections follow on their own, as they do behind a real log
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.takeAll(toProject), (batches) =>
      Effect.orDie(projections.absorb({ cursor: "journal", epoch, entries: batches.flat() })))))

    const append = (tenant: string, drafts: ReadonlyArray<Draft>) =>
      Effect.gen(function*() {
        const time = DateTime.formatIso(yield* DateTime.now)
        const msecs = yield* Clock.currentTimeMillis
        const written: Array<Written> = []
        const entries: Array<EventEntry> = []
        for (const draft of drafts) {
          const stamp = { lamport: log.length + 1, time, source }
          const id = draft.id ?? v7({ msecs })
          const { fact, ...about } = draft
          const envelope = plain(fact, { ...about, ...stamp, id })
          log.push({ tenant, envelope })
          written.push({ id, stamp, position: log.length })
          entries.push({ kind: "event", log: "journal", seq: log.length, tenant, opened: { envelope, fact: draft.fact }, own: true })
        }
        yield* Queue.offer(toProject, entries)
        yield* PubSub.publish(news, log.length)
        return written
      })

    const write = (tenant: string, drafts: ReadonlyArray<Draft>): Effect.Effect<ReadonlyArray<Written>, WriteError> =>
      Effect.gen(function*() {
        if (drafts.length > commitEventsMax) return yield* Effect.die(new Error(`${drafts.length} drafts in one call`))
        knobs.calls.push(drafts)
        yield* Effect.sleep(MutableRef.get(knobs.delayMillis))
        const refusal = refusalOf(MutableRef.get(knobs.writing), drafts)
        if (refusal !== undefined) return yield* refusal
        return yield* turn.withPermits(1)(append(tenant, drafts))
      })

    const after = (tenant: string, from: number, subject: string | undefined): ReadonlyArray<Tailed> =>
      log.flatMap((entry, i) =>
        i >= from && entry.tenant === tenant && (subject === undefined || entry.envelope.subject === subject)
          ? [{ cursor: String(i + 1), event: { ...entry.envelope } }]
          : [])

    const tail: EventTail["Service"]["tail"] = ({ from, subject, tenant }) =>
      Stream.unwrap(Effect.gen(function*() {
        const changed = yield* PubSub.subscribe(news)
        let at = from === "now" ? log.length : from === "start" ? 0 : Number(from)
        if (!Number.isInteger(at)) {
          at = log.findIndex(({ envelope }) => envelope.time >= from)
          if (at === -1) at = log.length
        }
        const next = Effect.sync(() => {
          const events = after(tenant, at, subject)
          at = log.length
          return events
        })
        return Stream.concat(
          Stream.fromIterableEffect(next),
          Stream.fromEffectRepeat(Effect.andThen(PubSub.take(changed), next)).pipe(Stream.flattenIterable)
        )
      }))

    return Context.make(Writer, {
      named: (_tenant, id) => id,
      write,
      settled: () => Effect.suspend(() => projections.reached("journal", log.length)),
      reach: (_tenant, _written, tier) =>
        Effect.succeed(tier === "everywhere" ? { tier: "hosted", missing: ["peer_0123456789abcdef"] } : { tier, missing: [] })
    }).pipe(Context.add(EventTail, { now: () => Effect.sync(() => String(log.length)), tail }))
  }))

const refusalOf = (state: "fine" | "full" | "unavailable" | "invalid", drafts: ReadonlyArray<Draft>): WriteError | undefined => {
  if (state === "full") return new StoreFull({ hint: "Make room." })
  if (state === "unavailable") return new StoreUnavailable({ hint: "Look, then repeat." })
  const why = state === "invalid" ? "it says so" : drafts.map(faultOf).find((fault) => fault !== undefined)
  return why === undefined ? undefined : new WriteInvalid({ why, hint: "Mend it." })
}

/** Facts the schemas of the events refuse are refused, as by a real backend. */
const faultOf = ({ fact }: Draft): string | undefined => {
  const read = decodeFact(fact.type, definitions[fact.type].version, fact.data)
  return Result.isFailure(read) ? String(read.failure) : undefined
}

const registrarLayer = (options: MemoryOptions) =>
  Layer.succeed(Registrar, {
    identity: identityOf(options.side),
    prove: (challenge) => Effect.succeed(`proof of ${challenge}`),
    register: ({ sbt }) =>
      sbt === "good"
        ? Effect.succeed({
          status: "registered",
          peer_id: "peer_0123456789abcdef",
          sync_endpoint: "/sync/peer_0123456789abcdef",
          telemetry_endpoint: "/telemetry/peer_0123456789abcdef",
          sync_interval_ms: 10_000,
          expires_at: "2026-11-22T18:00:00.000Z"
        })
        : Effect.fail(new RegistrationRefused({ status: 410, type: "tenant-erased", hint: "Everything of this user was erased." })),
    authenticate: (bearer) => {
      const tenant = options.sessions?.[bearer]
      return tenant === undefined
        ? Effect.fail(new RegistrationRefused({ status: 401, type: "token-expired", hint: "Get a new token." }))
        : Effect.succeed({ tenant, backendId: sourceOf("local"), userId: "ada" })
    }
  })

const refusal = new CommandFailed({ status: 409, type: "not-paired", hint: "Pair first." })

const maintenanceLayer = Layer.succeed(Maintenance, {
  verify: (tenant) =>
    tenant === "t_aaaaaaaaaaaaaaaa"
      ? Stream.fail(new CommandFailed({ status: 404, type: "tenant-unknown", hint: "See `maestra hosted peers`." }))
      : Stream.make({ done: false, at: 1, of: 2 }, { done: true, at: 2, of: 2, result: { ok: true, tenant } }),
  rebuild: Stream.concat(Stream.make({ done: false, at: 1, of: 2 }), Stream.fail(refusal))
})

const localLayer = Layer.succeed(LocalControl, {
  status: Effect.succeed<LocalStatus>({
    state: "not_paired",
    sentence: "not paired",
    backend_id: sourceOf("local"),
    peer_id: null,
    hosted_url: null,
    paused: false,
    offline_since: null,
    silent_since: null,
    held_by: null,
    pending: 0,
    behind: 0,
    journal_seq: 0,
    relayed_seq: 0,
    mirror_seq: 0,
    tenant_last_seq: null,
    log_epoch: null,
    last_sync: null,
    registration_expires_at: null,
    conversations: 0,
    messages: 0,
    conflicts: 0,
    quarantined: 0,
    set_aside: 0,
    needs: null,
  disk: { state: "ok", free_bytes: null },
    versions: { maestra: "0.1.0", nats_server: "none" }
  }),
  pair: () => Effect.fail(refusal),
  unpair: Effect.fail(refusal),
  pause: Effect.void,
  resume: Effect.void,
  resync: ({ withheld }) => Effect.succeed({ sentence: withheld ? "withheld too" : "resynced" }),
  confirm: () => Effect.void,
  debug: Effect.succeed({ offline_queue: [] })
})

const companionsLayer = Layer.mergeAll(
  Layer.succeed(Companions, { code: () => Effect.fail(refusal), exchange: () => Effect.fail(refusal), redeem: (code) => code === "good" ? Effect.void : Effect.fail(refusal) }),
  Layer.succeed(Syncing, {
    history: () => undefined,
    peer: () => Effect.fail(new RegistrationRefused({ status: 403, type: "unknown-peer", hint: "Register first." })),
    commit: () => Effect.succeed({ verdict: "busy", log_id: "", log_epoch: 0 })
  })
)

/** The hosted side's audit, on a log in memory. */
const auditLayer = Layer.effect(Audit, Effect.gen(function*() {
  const { run, service } = yield* hostedAudit(yield* makeMemoryLog("AUDIT"), yield* auditSigner)
  yield* Effect.forkScoped(run)
  return service
}))

const hostedLayer = Layer.succeed(HostedControl, {
  status: Effect.succeed({ tenants: 1 }),
  enroll: (user) => Effect.succeed({ code: "a code", user_id: user, tenant: "t_bbbbbbbbbbbbbbbb", expires_at: "2026-11-22T10:10:00.000Z" }),
  peers: Effect.succeed([{ peer_id: "peer_0123456789abcdef" }]),
  revoke: () => Effect.void,
  backupPlan: () => Effect.succeed({ backend_id: "hosted_sha256_0", log_id: "log", log_epoch: 1, nats_server: "2.15.1", parts: [] }),
  backupPart: () => Stream.empty
})

const tokensLayer = Layer.effectContext(Effect.gen(function*() {
  const record = yield* openAdminTokens(yield* makeMemoryKeyValue("TENANTS"), newSecretKey())
  return Context.make(AdminTokens, adminTokens(record)).pipe(Context.add(OperatorSessions, operatorSessions(record, "https://sync.example.org")))
}).pipe(Effect.orDie))

const keysLayer = Layer.succeed(Keys, Keys.of({
  list: Effect.succeed([{ kind: "signing", key_id: "a key", since: null, ends_at: null, status: "current" }]),
  rotate: (which) => which === "identity"
    ? Effect.succeed({ status: "rotated", which, key_id: "another", previous_key_id: "a key", grace_ends_at: null, sentence: "done" })
    : Effect.fail(new CommandFailed({ status: 400, type: "unknown-key", hint: "Send identity." }))
}))
