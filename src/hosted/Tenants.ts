import { createHmac } from "node:crypto"
import { Clock, Duration, Effect, Option, Result, Schedule, Schema, Stream, SubscriptionRef } from "effect"
import { digestOf } from "../security/digest.ts"
import { type KeyConflict, type KeyValue, type KeyValueUnavailable } from "../nats/keyValue.ts"
import { newTenantId } from "../security/peerId.ts"
import { decryptUnder, encryptUnder, type SecretKey } from "../security/secretKey.ts"
import { nextBump } from "./nextBump.ts"
import { type TenantRecord, TenantRecordJson } from "./TenantRecord.ts"

/** The tenant store cannot be reached, or holds something this process cannot read. Nothing was changed. */
export class TenantsUnavailable extends Schema.TaggedError<TenantsUnavailable>()("TenantsUnavailable", { hint: Schema.String, cause: Schema.Defect() }) {}

/** All tenants, as this process knows them: one encrypted record each, followed live. */
export interface Tenants {
  /** The newest record this process has heard of; at most a moment old. */
  readonly peek: (tenant: string) => TenantRecord | undefined
  readonly all: () => Iterable<TenantRecord>
  readonly ofUser: (userId: string) => TenantRecord | undefined
  /** The tenant of a user; where there is none yet, one is made. Processes that do this at the same moment get the same one. */
  readonly ofUserOrNew: (userId: string, make: (tenant: string) => TenantRecord, proposed?: string) => Effect.Effect<TenantRecord, TenantsUnavailable>
  /**
   * Change one record. `change` sees the newest and returns the next, or a refusal; it may run several
   * times, because another process may have been first.
   */
  readonly update: <E>(tenant: string, change: (record: TenantRecord) => Result.Result<TenantRecord, E>) => Effect.Effect<TenantRecord, E | TenantsUnavailable>
  /** Read a tenant's record again, once a second at most: forged requests must not become reads of the store. */
  readonly refresh: (tenant: string) => Effect.Effect<void>
  /** A user whose data was erased may begin anew, as another tenant. */
  readonly releaseUser: (userId: string) => Effect.Effect<void, TenantsUnavailable>
  /** The loop that follows the store. Ends only by failing. */
  readonly run: Effect.Effect<never, TenantsUnavailable>
  readonly ready: Effect.Effect<void>
  /** The store was restored with the log: what it says now counts, however old it looks, and it is read again. */
  readonly restored: Effect.Effect<void>
}

const keyOf = (tenant: string) => `tenant.${tenant}`
/** Keyed, so that the store does not say whether somebody is a user here. */
const keyOfUser = (deployment: string, userId: string) => `user.${createHmac("sha256", deployment).update(`maestra-user-v1\0${userId}`).digest("base64url")}`
const encoder = new TextEncoder()
const decoder = new TextDecoder()

const unavailable = (hint: string) => (cause: unknown) => new TenantsUnavailable({ hint, cause })

/** Each failed attempt means that another process succeeded. */
const attemptsMax = 50
const refreshEvery = Duration.seconds(1)
/** What another process just wrote can be read within this, five seconds. */
const readAgainEvery = Duration.millis(50)
const readsMax = 100

/**
 * @param deployment the deployment's id, which is in no stream
 * @param heard told of each record as it comes from the store: all of them at the start, then every change
 */
export const makeTenants = Effect.fn("Tenants.make")(function*(store: KeyValue, storeKey: SecretKey, deployment: string, heard: (record: TenantRecord) => Effect.Effect<void> = () => Effect.void) {
  const known = new Map<string, { readonly record: TenantRecord; readonly revision: number }>()
  const users = new Map<string, string>()
  const ready = yield* SubscriptionRef.make(false)

  const seal = (record: TenantRecord) => encryptUnder(storeKey, JSON.stringify(record), keyOf(record.tenant))
  const remember = (record: TenantRecord, revision: number) => {
    const held = known.get(record.tenant)
    if (held !== undefined && held.revision >= revision) return
    known.set(record.tenant, { record, revision })
    if (record.erased === undefined) users.set(digestOf(record.user_id), record.tenant)
    else for (const [user, tenant] of users) if (tenant === record.tenant) users.delete(user)
  }

  const fetch = (tenant: string) =>
    store.get(keyOf(tenant)).pipe(
      Effect.mapError(unavailable("the tenant store does not answer; try again")),
      Effect.flatMap(Option.match({
        onNone: () => Effect.void,
        onSome: ({ revision, value }) => open(storeKey, keyOf(tenant), value).pipe(Effect.tap((record) => Effect.sync(() => remember(record, revision))))
      })))

  /** The revision written, or `undefined` where another process was first. */
  const written = (effect: Effect.Effect<number, KeyConflict | KeyValueUnavailable>, record: TenantRecord) =>
    effect.pipe(
      Effect.map((revision): TenantRecord | undefined => {
        remember(record, revision)
        return record
      }),
      Effect.catchTags({
        KeyConflict: () => Effect.void,
        KeyValueUnavailable: (cause) => Effect.fail(unavailable("the tenant store does not answer; try again")(cause))
      }))

  const update = <E>(tenant: string, change: (record: TenantRecord) => Result.Result<TenantRecord, E>): Effect.Effect<TenantRecord, E | TenantsUnavailable> =>
    Effect.gen(function*() {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        if (!known.has(tenant) || attempt > 0) yield* fetch(tenant)
        const held = known.get(tenant)
        if (held === undefined) return yield* new TenantsUnavailable({ hint: `There is no tenant ${tenant}.`, cause: "unknown tenant" })
        const next = change(held.record)
        if (Result.isFailure(next)) return yield* Effect.fail(next.failure)
        if (next.success === held.record) return held.record
        const done = yield* written(store.update(keyOf(tenant), seal(next.success), held.revision), next.success)
        if (done !== undefined) return done
      }
      return yield* new TenantsUnavailable({ hint: "Other processes keep changing this tenant; try again.", cause: "conflict" })
    })

  const ofUser = (userId: string) => {
    const tenant = users.get(digestOf(userId))
    return tenant === undefined ? undefined : known.get(tenant)?.record
  }

  /** Whoever was first has made it: then it is that one. */
  const create = (record: TenantRecord) =>
    written(store.create(keyOf(record.tenant), seal(record)), record).pipe(
      Effect.flatMap((done) => done === undefined ? Effect.map(fetch(record.tenant), () => known.get(record.tenant)?.record ?? record) : Effect.succeed(done)))

  const refresh = onceASecond((tenant) => known.has(tenant) ? Effect.ignore(fetch(tenant)) : Effect.void)

  const rereads = yield* SubscriptionRef.make(0)
  const watched = follow(store, storeKey, SubscriptionRef.set(ready, true), (record, revision) => Effect.andThen(Effect.sync(() => remember(record, revision)), heard(record)))

  return {
    peek: (tenant) => known.get(tenant)?.record,
    all: () => [...known.values()].map(({ record }) => record),
    ofUser,
    ofUserOrNew: Effect.fnUntraced(function*(userId, make, proposed = newTenantId()) {
      return ofUser(userId) ?? (yield* Effect.flatMap(chosen(store, keyOfUser(deployment, userId), proposed), (tenant) => create(make(tenant))))
    }),
    update,
    refresh,
    releaseUser: (userId) => store.delete(keyOfUser(deployment, userId)).pipe(Effect.mapError(unavailable("the tenant store does not answer; try again"))),
    run: watched.pipe(Effect.raceFirst(nextBump(rereads)), Effect.forever),
    restored: Effect.andThen(
      Effect.sync(() => { for (const [tenant, { record }] of known) known.set(tenant, { record, revision: 0 }) }),
      SubscriptionRef.update(rereads, (n) => n + 1)),
    ready: SubscriptionRef.changes(ready).pipe(Stream.filter((is) => is), Stream.runHead, Effect.asVoid)
  } satisfies Tenants
})

const onceASecond = (read: (tenant: string) => Effect.Effect<void>) => {
  const reads = new Map<string, number>()
  return Effect.fnUntraced(function*(tenant: string) {
    const now = yield* Clock.currentTimeMillis
    if (now - (reads.get(tenant) ?? 0) < Duration.toMillis(refreshEvery)) return
    reads.set(tenant, now)
    yield* read(tenant)
  })
}

/** Whoever first writes a user's key decides which tenant it is; whoever comes then, or again, is told that one. */
const chosen = Effect.fnUntraced(function*(store: KeyValue, key: string, proposed: string) {
  const decided = yield* Effect.result(store.create(key, encoder.encode(proposed)))
  if (Result.isSuccess(decided)) return proposed
  if (decided.failure._tag !== "KeyConflict") return yield* decided.failure
  // of two at one moment the second is refused before the first can be read: on a cluster it is still on its way to the others
  for (let reads = 0; reads < readsMax; reads++) {
    const first = yield* store.get(key)
    if (Option.isSome(first)) return decoder.decode(first.value.value)
    yield* Effect.sleep(readAgainEvery)
  }
  return yield* decided.failure
}, Effect.mapError(unavailable("the tenant store does not answer; try again")))

/** Every record of the store, then every change. Ends only by failing. */
const follow = (store: KeyValue, storeKey: SecretKey, ready: Effect.Effect<void>, take: (record: TenantRecord, revision: number) => Effect.Effect<void>) =>
  store.watch.pipe(
    Stream.runForEach((entry) =>
      Effect.gen(function*() {
        if (entry._tag === "ready") return yield* ready
        if (entry.value === undefined || !entry.key.startsWith("tenant.")) return
        yield* take(yield* open(storeKey, entry.key, entry.value), entry.revision)
      })),
    // a cluster without a majority comes back; what is known serves until then
    Effect.retry({ schedule: Schedule.spaced(Duration.seconds(1)), while: ({ _tag }) => _tag === "KeyValueUnavailable" }),
    Effect.mapError((cause) => cause._tag === "TenantsUnavailable" ? cause : unavailable("the tenant store cannot be followed")(cause)),
    Effect.andThen(Effect.die("the tenant store's watch ended")))

const open = Effect.fnUntraced(function*(storeKey: SecretKey, key: string, value: Uint8Array) {
  const text = yield* Effect.fromResult(decryptUnder(storeKey, value, key)).pipe(
    Effect.mapError(unavailable("the tenant store is encrypted under another key; start with the master key it was made with")))
  return yield* Schema.decodeEffect(TenantRecordJson)(text).pipe(Effect.mapError(unavailable("a tenant record cannot be read by this version")))
})
