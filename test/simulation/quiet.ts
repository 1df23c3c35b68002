import { Effect, Exit, Result, SubscriptionRef } from "effect"
import { stateDigest } from "../../projections/conversations/digest.ts"
import { eventIdOf } from "../../projections/ledger.ts"
import { epochOf, logCursor } from "../../src/local/mirrorLoop.ts"
import { journalCursor } from "../../src/local/journalLoop.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { selfTenant } from "../../streams/Backend.ts"
import { decode } from "../../streams/Envelope.ts"
import type { Stamp } from "../../streams/Stamp.ts"
import { parseLog, subjects } from "../../streams/subjects.ts"
import { decodeTelemetry } from "../../streams/telemetry.ts"
import { Client } from "./client.ts"
import { Companion } from "./companion.ts"
import type { Hosted } from "./hosted.ts"
import type { Tenant } from "./identities.ts"
import { Local } from "./local.ts"
import { revoke } from "./membership.ts"
import { SimpleClient } from "./simpleClient.ts"
import type { World } from "./world.ts"

/** Everybody has asked the hosted side where it is at least once within this: a mirror may have a hole that nothing else shows. */
const restMin = 15_000
/** Everything that pauses, retries or watches has had its turn within this. Milliseconds. */
const restMax = 400_000
const lookEvery = 500

/** All is well again: everybody runs, every link is up, the settings let everything out. Then nothing may be missing. */
export const quiet = (world: World): void => {
  const { kernel } = world
  world.weather.calm = true
  kernel.trace.note("world", "quiet")
  for (const backend of world.backends) if (backend.process === undefined) backend.start()
  for (const local of world.locals) local.setLink(true)
  for (const companion of world.companions) companion.online = true
  // a registration is not renewed where clocks do not agree
  for (const backend of world.backends) backend.skew = 0
  world.until(() => world.backends.every(({ parts }) => parts !== undefined))
  world.until(() => world.joining !== "on its way")
  for (const local of world.locals) {
    if (!local.revoking || local.revoked) continue
    revoke(world, local, world.hosted[0])
    world.until(() => local.revoked)
  }
  if (world.settingsChanged) {
    for (const backend of [...world.locals.filter(({ revoked }) => !revoked), world.hosted[0]!]) {
      for (const tenant of backend instanceof Local ? [backend.tenant] : world.tenants) {
        new Client(world, backend, tenant).settings({ sync_conversations: true, allowed_surfaces: null, redact_pii: true })
      }
    }
    kernel.pass(1000)
  }
  for (const local of world.locals) world.invariants.sample(local)
  kernel.pass(restMin)
  let waited = restMin
  while (kernel.failure === undefined && waited < restMax && everybody(world).some((one) => unrest(world, one) !== undefined)) {
    kernel.pass(lookEvery)
    for (const local of world.locals) world.invariants.sample(local)
    waited += lookEvery
  }
  for (const one of everybody(world)) {
    const why = unrest(world, one)
    if (why !== undefined) kernel.fail(6, `${one.name} does not come to rest in ${restMax / 1000} s: ${why}`)
  }
  for (const local of world.locals) {
    if (local.revoked) continue
    const needs = local.parts === undefined ? undefined : SubscriptionRef.getUnsafe(local.parts.state.needs)
    if (needs !== undefined) kernel.fail(0, `${local.name} needs a person: ${needs}`)
  }
  if (kernel.failure === undefined) telemetryThere(world)
  if (kernel.failure === undefined) for (const tenant of world.tenants) compareAll(world, tenant)
}

/** Those that were not shut out. */
const members = (world: World) => world.backends.filter((backend) => !(backend instanceof Local) || !backend.revoked)
const everybody = (world: World) => [
  ...members(world),
  ...world.companions.filter(({ home }) => home?.revoked !== true),
  ...world.simple === undefined || world.simple.home?.revoked === true ? [] : [world.simple]
]

/** What somebody still has to do, if anything. */
const unrest = (world: World, backend: Local | Hosted | Companion | SimpleClient): string | undefined => {
  if (backend instanceof Companion || backend instanceof SimpleClient) return backend.unrest
  const { parts } = backend
  if (parts === undefined) return "it does not run"
  const at = Effect.runSync(parts.projections.positions)
  if (!(backend instanceof Local)) {
    const end = world.hub.log.size().lastSeq
    return at.get("log")?.seq === end ? undefined : `its tables are at ${at.get("log")?.seq} of ${end}`
  }
  const end = world.hub.log.from(1, Number.MAX_SAFE_INTEGER, subjects.logTenant(backend.tenant.id)).at(-1)?.seq ?? 0
  const written = backend.journal.size().lastSeq
  const relayed = SubscriptionRef.getUnsafe(backend.parts!.state.relayed).to
  if (backend.prepared !== undefined) return "its new keys are not in force"
  if (backend.untold > 0) return `${backend.untold} of its telemetry events are not stored`
  if (relayed < written) return `${relayed} of ${written} were relayed`
  if ((at.get(journalCursor)?.seq ?? 0) < written) return `its tables are at ${at.get(journalCursor)?.seq} of ${written} of its journal`
  const log = at.get(logCursor)
  if (log?.epoch !== epochOf(backend.paired.with)) return `its tables are in epoch ${log?.epoch}`
  return log.seq === end ? undefined : `its tables are at ${log.seq} of ${end}`
}

const compareAll = (world: World, tenant: Tenant): void => {
  const { kernel } = world
  const backends = members(world).filter((backend) => !(backend instanceof Local) || backend.tenant === tenant)
  const digests = backends.map((backend) => digestOf(world, backend, tenant))
  backends.forEach(({ name }, i) => {
    if (digests[i] !== digests[0]) kernel.fail(6, `${name} shows something else than ${backends[0]!.name}`)
  })
  everythingThere(world, tenant, backends)
  noForks(world, backends)
  winners(world, tenant, backends)
}

/** 10. */
const telemetryThere = (world: World): void => {
  const ids = world.hub.telemetry.from(1, Number.MAX_SAFE_INTEGER).map(({ data }) => Result.getOrThrow(decodeTelemetry(data)).id)
  const stored = new Set(ids)
  if (stored.size < ids.length) world.kernel.fail(10, `${ids.length - stored.size} telemetry events are stored twice`)
  for (const [id, local] of world.invariants.telemetry) if (!stored.has(id) && !local.revoked) world.kernel.fail(10, `telemetry event ${id} of ${local.name} is not stored`)
}

const nameIn = (backend: Local | Hosted, tenant: Tenant): string => backend instanceof Local ? selfTenant : tenant.id

const digestOf = (world: World, backend: Local | Hosted, tenant: Tenant): string => {
  let digest: string | undefined
  backend.process!.run(Effect.provideService(stateDigest(nameIn(backend, tenant)), Sqlite, backend.parts!.sqlite), (exit) => {
    digest = Exit.isSuccess(exit) ? exit.value : "none"
  })
  world.until(() => digest !== undefined)
  return digest ?? "none"
}

/** 1: every acknowledged event is in the log, or stays where it was written because the settings wanted it so. */
const everythingThere = (world: World, tenant: Tenant, backends: ReadonlyArray<Local | Hosted>): void => {
  const withheld = new Map<string, ReadonlySet<string>>([
    ...backends.map((backend) => [backend.name, backend instanceof Local ? backend.withheld : new Set<string>()] as const),
    ...world.companions.map(({ name, stays }) => [name, stays] as const)
  ])
  const gone = new Set([...world.locals.filter(({ revoked }) => revoked), ...world.companions.filter(({ home }) => home?.revoked === true)].map(({ name }) => name))
  for (const event of world.invariants.acknowledged.values()) {
    if (event.tenant !== tenant.id || event.excused || gone.has(event.by) || world.invariants.isInLog(event.id)) continue
    if (withheld.get(event.by)?.has(event.id) !== true) world.kernel.fail(1, `acknowledged event ${event.id} of ${event.by} is not in the log`)
  }
}

/** 12. */
const noForks = (world: World, backends: ReadonlyArray<Local | Hosted>): void => {
  if (world.invariants.logPutBack) return
  for (const backend of backends) {
    for (const { detail } of backend.tables.statement("select detail from problem where what = 'forked'").all()) world.kernel.fail(12, `${backend.name}: ${String(detail)}`)
  }
}

/** 7: computed here from the log alone, and compared with what every backend shows. */
const winners = (world: World, tenant: Tenant, backends: ReadonlyArray<Local | Hosted>): void => {
  const greatest = new Map<string, { readonly id: string; readonly stamp: Stamp }>()
  for (const { data, subject } of world.hub.log.from(1, Number.MAX_SAFE_INTEGER, subjects.logTenant(tenant.id))) {
    if (Result.getOrThrow(parseLog(subject)).kind !== "conv") continue
    const { envelope, fact } = world.invariants.open(tenant.id, Result.getOrThrow(decode(data)))
    if (!("message_id" in fact.data)) continue
    const register = `${envelope.subject}/${fact.data.message_id}`
    const held = greatest.get(register)
    const sign = held === undefined ? 1 : compareStamps(envelope, held.stamp) || (envelope.id < held.id ? -1 : 1)
    if (sign > 0) greatest.set(register, { id: envelope.id, stamp: envelope })
  }
  for (const backend of backends) {
    const rows = backend.tables.statement(shownWrites).all(nameIn(backend, tenant))
    const shown = new Map(rows.map((row) => [`${String(row["conversation"])}/${String(row["message"])}`, { id: eventIdOf(String(row["id"])), withheld: row["withheld"] !== null }]))
    for (const [register, { id }] of greatest) {
      const is = shown.get(register)
      if (is?.withheld !== true && is?.id !== id) world.kernel.fail(7, `${backend.name} shows ${is?.id ?? "nothing"} of ${register}, not ${id}`)
    }
  }
}

const shownWrites = `select c.shared as conversation, m.shared as message, hex(w.event) as id, e.withheld from message m
  join conversation c on c.id = m.conversation join write w on w.id = m.shown join event e on e.tenant = c.tenant and e.id = w.event
  where c.tenant = (select id from tenant where name = ?)`

/** The order of stamps, written once more. */
const compareStamps = (a: Stamp, b: Stamp): number =>
  a.lamport !== b.lamport ? a.lamport - b.lamport : a.time !== b.time ? (a.time < b.time ? -1 : 1) : a.source === b.source ? 0 : a.source < b.source ? -1 : 1
