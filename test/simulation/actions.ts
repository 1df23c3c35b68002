import { Client } from "./client.ts"
import type { Hosted } from "./hosted.ts"
import { Local } from "./local.ts"
import { join, revoke, rotate } from "./membership.ts"
import type { World } from "./world.ts"

/**
 * What may happen between two moments of a schedule, and how often compared with the rest. To add something (a
 * rotation, a revocation, a companion), add a row: it may do anything to the world that can happen to a real one.
 */
export interface Action {
  readonly name: string
  readonly weight: number
  readonly run: (world: World) => void
}

const dice = (world: World) => world.kernel.dice
const someLocal = (world: World): Local => dice(world).pick(world.locals)
const someHosted = (world: World): Hosted => dice(world).pick(world.hosted)
const note = (world: World, at: Local | Hosted, what: string) => world.kernel.trace.note(at.name, what)
/** People sit at locals mostly. */
const somebody = (world: World): Client => new Client(world, dice(world).chance(0.15) ? someHosted(world) : someLocal(world))

const cut = (world: World, local: Local): void => {
  if (!local.linkUp) return
  local.setLink(false)
  note(world, local, "link down")
  world.kernel.after(100 + dice(world).below(dice(world).pick([1000, 20_000, 60_000])), () => local.setLink(true))
}

const jumps = [-3_600_000, -60_000, -5_000, 5_000, 60_000, 3_600_000]

const settings = [
  { redact_pii: false }, { redact_pii: true },
  { sync_conversations: false }, { sync_conversations: true },
  { allowed_surfaces: ["web", "hosted"] }, { allowed_surfaces: null }
]

export const actions: ReadonlyArray<Action> = [
  { name: "write", weight: 30, run: (world) => somebody(world).write() },
  { name: "delete", weight: 5, run: (world) => somebody(world).remove() },
  { name: "restore", weight: 4, run: (world) => somebody(world).restore() },
  { name: "rename", weight: 3, run: (world) => somebody(world).rename() },
  { name: "hide conversation", weight: 2, run: (world) => somebody(world).removeConversation() },
  { name: "import", weight: 4, run: (world) => somebody(world).bring() },
  { name: "read", weight: 12, run: (world) => somebody(world).read() },
  { name: "telemetry", weight: 4, run: (world) => somebody(world).emit() },
  { name: "revoke", weight: 1, run: (world) => {
    const local = someLocal(world)
    // two have to stay, to agree
    if (!local.revoking && !world.invariants.isLacking(local) && world.locals.filter(({ revoking, tenant }) => !revoking && tenant === local.tenant).length > 2) revoke(world, local)
  } },
  { name: "rotate keys", weight: 2, run: (world) => rotate(world, someLocal(world)) },
  { name: "a machine joins", weight: 1, run: (world) => join(world, dice(world).pick(world.tenants)) },
  { name: "settings", weight: 3, run: (world) => somebody(world).settings(dice(world).pick(settings)) },
  { name: "type on a phone", weight: 12, run: (world) => { if (world.companions.length > 0) dice(world).pick(world.companions).write() } },
  { name: "write on a simple phone", weight: 8, run: (world) => { if (world.simple?.home?.revoking !== true) world.simple?.write() } },
  { name: "phone offline", weight: 2, run: (world) => {
    if (world.companions.length === 0) return
    const phone = dice(world).pick(world.companions)
    phone.online = false
    world.kernel.trace.note(phone.name, "offline")
    world.kernel.after(1000 + dice(world).below(30_000), () => { phone.online = true })
  } },
  { name: "cut link", weight: 6, run: (world) => cut(world, someLocal(world)) },
  { name: "crash local", weight: 5, run: (world) => killed(world, someLocal(world)) },
  { name: "crash hosted", weight: 5, run: (world) => killed(world, someHosted(world)) },
  { name: "clock jumps", weight: 3, run: (world) => {
    const at = dice(world).pick(world.backends)
    at.skew += dice(world).pick(jumps)
    note(world, at, `clock wrong by ${at.skew / 1000} s`)
  } },
  { name: "mirror lost", weight: 1, run: (world) => {
    const local = someLocal(world)
    world.crash(local, () => { local.feed.mirror = undefined })
    note(world, local, "mirror lost")
  } },
  { name: "tables lost", weight: 1, run: (world) => {
    const at = dice(world).pick(world.backends)
    if (at instanceof Local) world.invariants.relayed(at)
    world.crash(at, () => {
      at.tables.empty()
      world.invariants.forgetClient(at.name)
    })
    note(world, at, "tables lost")
  } },
  { name: "copy a data directory", weight: 2, run: (world) => {
    const local = someLocal(world)
    world.localCopies.set(local, local.copy())
    note(world, local, "copied")
  } },
  { name: "put a data directory back", weight: 2, run: putLocalBack },
  { name: "copy the log", weight: 1, run: (world) => {
    world.hubCopy = world.hub.copy()
    world.kernel.trace.note("hub", `copied at ${world.hub.log.size().lastSeq}`)
  } },
  { name: "put the log back", weight: 2, run: putLogBack }
]

function killed(world: World, at: Local | Hosted): void {
  note(world, at, "killed")
  world.crash(at)
}

function putLocalBack(world: World): void {
  const local = someLocal(world)
  const copy = world.localCopies.get(local)
  if (copy === undefined || local.process === undefined || !world.invariants.mayForget(local, copy)) return
  note(world, local, `put back from a copy with ${copy.journal.lastSeq} events, of ${local.journal.size().lastSeq}`)
  world.crash(local, () => {
    local.putBack(copy)
    world.invariants.putBack(local)
  })
}

/** The hub's store from an older copy: all that were connected start anew, the one that keeps the mark first. */
function putLogBack(world: World): void {
  const { hub, hubCopy, hosted, kernel, locals } = world
  if (hubCopy === undefined || !world.invariants.mayLose(locals, hubCopy, hub.mark)) return
  kernel.trace.note("hub", `put back from a copy that ends at ${hubCopy.log.lastSeq}, of ${hub.log.size().lastSeq}`)
  for (const process of hosted) process.crash()
  for (const local of locals) local.setLink(false)
  hub.putBack(hubCopy)
  world.invariants.logWritten(hub.log)
  hub.unmarked = true
  const [first, ...others] = hosted
  first!.start()
  const goOn = () => {
    if (first!.parts === undefined) return void kernel.after(50, goOn)
    hub.unmarked = false
    for (const other of others) if (other.process === undefined) other.start()
    for (const local of locals) local.setLink(true)
  }
  goOn()
}
