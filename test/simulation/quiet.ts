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
import { Client } from "./client.ts"
import type { Hosted } from "./hosted.ts"
import type { Tenant } from "./identities.ts"
import { Local } from "./local.ts"
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
  world.until(() => world.backends.every(({ parts }) => parts !== undefined))
  if (world.settingsChanged) {
    for (const backend of [...world.locals, world.hosted[0]!]) {
      for (const tenant of backend instanceof Local ? [backend.tenant] : world.tenants) {
        new Client(world, backend, tenant).settings({ sync_conversations: true, allowed_surfaces: null, redact_pii: true })
      }
    }
    kernel.pass(1000)
  }
  for (const local of world.locals) world.invariants.sample(local)
  kernel.pass(restMin)
  let waited = restMin
  while (kernel.failure === undefined && waited < restMax && world.backends.some((backend) => unrest(world, backend) !== undefined)) {
    kernel.pass(lookEvery)
    for (const local of world.locals) world.invariants.sample(local)
    waited += lookEvery
  }
  for (const backend of world.backends) {
    const why = unrest(world, backend)
    if (why !== undefined) kernel.fail(6, `${backend.name} does not come to rest in ${restMax / 1000} s: ${why}`)
  }
  for (const local of world.locals) {
    const needs = local.parts === undefined ? undefined : SubscriptionRef.getUnsafe(local.parts.state.needs)
    if (needs !== undefined) kernel.fail(0, `${local.name} needs a person: ${needs}`)
  }
  if (kernel.failure === undefined) for (const tenant of world.tenants) compareAll(world, tenant)
}

/** What a backend still has to do, if anything. */
const unrest = (world: World, backend: Local | Hosted): string | undefined => {
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
  if (relayed < written) return `${relayed} of ${written} were relayed`
  if ((at.get(journalCursor)?.seq ?? 0) < written) return `its tables are at ${at.get(journalCursor)?.seq} of ${written} of its journal`
  const log = at.get(logCursor)
  if (log?.epoch !== epochOf(backend.paired.with)) return `its tables are in epoch ${log?.epoch}`
  return log.seq === end ? undefined : `its tables are at ${log.seq} of ${end}`
}

const compareAll = (world: World, tenant: Tenant): void => {
  const { kernel } = world
  const backends = world.backends.filter((backend) => !(backend instanceof Local) || backend.tenant === tenant)
  const digests = backends.map((backend) => digestOf(world, backend, tenant))
  backends.forEach(({ name }, i) => {
    if (digests[i] !== digests[0]) kernel.fail(6, `${name} shows something else than ${backends[0]!.name}`)
  })
  everythingThere(world, tenant, backends)
  winners(world, tenant, backends)
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
  const withheld = new Map(backends.map((backend) => [backend.name, backend instanceof Local ? backend.withheld : new Set<string>()]))
  for (const event of world.invariants.acknowledged.values()) {
    if (event.tenant !== tenant.id || event.excused || world.invariants.isInLog(event.id)) continue
    if (withheld.get(event.by)?.has(event.id) !== true) world.kernel.fail(1, `acknowledged event ${event.id} of ${event.by} is not in the log`)
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

/** The order of DESIGN.md 4, written once more. */
const compareStamps = (a: Stamp, b: Stamp): number =>
  a.lamport !== b.lamport ? a.lamport - b.lamport : a.time !== b.time ? (a.time < b.time ? -1 : 1) : a.source === b.source ? 0 : a.source < b.source ? -1 : 1
