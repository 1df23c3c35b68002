import { Exit } from "effect"
import type { Draft, Written } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import { Companion, type Side } from "./companion.ts"
import { Hosted } from "./hosted.ts"
import { Hub, type HubCopy } from "./hub.ts"
import { companionsMax, makeTenant, newcomer, registrationEnds, type Surface, type Tenant, whoHas } from "./identities.ts"
import { Invariants } from "./invariants.ts"
import { Kernel, type Process } from "./kernel.ts"
import { Local, type LocalCopy } from "./local.ts"
import { renewal } from "./membership.ts"
import { SimpleClient } from "./simpleClient.ts"
import { Weather } from "./weather.ts"
import type { Wiring } from "./wiring.ts"

const patienceMillis = 60_000
/** How companions sync. */
const ways: ReadonlyArray<ReadonlyArray<Side>> = [["local"], ["hosted"], ["local", "hosted"]]

/** Everything there is in one schedule: tenants with their locals, hosted processes, the hub between them. */
export class World {
  readonly kernel: Kernel
  readonly weather: Weather
  readonly wiring: Wiring
  readonly hub: Hub
  readonly tenants: ReadonlyArray<Tenant>
  readonly hosted: ReadonlyArray<Hosted>
  readonly locals: Array<Local>
  /** Of the machine that may come while a schedule is played. */
  joining: "nobody" | "on its way" | "joined" = "nobody"
  readonly companions: ReadonlyArray<Companion>
  readonly simple: SimpleClient | undefined
  readonly invariants: Invariants
  /** Copies somebody made, to be put back later. */
  readonly localCopies = new Map<Local, LocalCopy>()
  hubCopy: HubCopy | undefined
  settingsChanged = false

  constructor(seed: number, wiring: Wiring) {
    const kernel = this.kernel = new Kernel(seed)
    const { dice } = kernel
    this.wiring = wiring
    this.weather = new Weather(dice)
    this.hub = new Hub(kernel)
    const members = dice.chance(0.2) ? [[0, 1], [2, 3, 4].slice(0, 2 + dice.below(2))] : [[0, 1, 2].slice(0, 2 + dice.below(2))]
    const phones = Array.from({ length: dice.pick([0, 0, 0, 1, companionsMax]) }, (_, number) => ({ number, tenant: dice.below(members.length), sides: dice.pick(ways) }))
    const surfacesOf = (tenant: number) => phones.filter((phone) => phone.tenant === tenant).map(({ number, sides }): Surface => ({ number, of: sides.includes("local") ? members[tenant]![0] : undefined }))
    // one registration ends while we look, and has to be renewed
    const ending = dice.chance(0.3) ? { local: 0, at: isoTime(kernel.now + 5000 + dice.below(60_000)) } : undefined
    this.tenants = members.map((locals, i) => makeTenant("ab"[i]!, locals, surfacesOf(i), (local) => local === ending?.local ? ending.at : registrationEnds))
    const invariants = this.invariants = new Invariants(kernel, this.tenants)
    this.hub.watch((store) => invariants.logWritten(store))
    this.hosted = Array.from({ length: 1 + dice.below(2) }, (_, i) => new Hosted(this, i))
    this.weather.calm = true
    const [first, ...others] = this.hosted
    first!.start()
    this.until(() => first!.parts !== undefined)
    this.#register(first!)
    for (const other of others) other.start()
    this.locals = this.tenants.flatMap((tenant) => tenant.locals.map((number) => new Local({ ...this, strike: this.strike, watch: this.#watch }, number, tenant, first!.parts!.logIdentity(tenant.id))))
    for (const local of this.locals) local.start()
    this.companions = phones.map(({ number, sides, tenant }) => {
      const at = this.tenants[tenant]!
      return new Companion(this, number, at, sides.includes("local") ? this.locals.find((local) => local.tenant === at) : undefined, sides)
    })
    if (dice.chance(0.4)) {
      const at = dice.pick(this.tenants)
      this.simple = new SimpleClient(this, at, dice.chance(0.5) ? this.locals.find((local) => local.tenant === at) : undefined)
    }
    this.until(() => this.backends.every(({ parts }) => parts !== undefined))
    this.weather.calm = false
  }

  get backends(): ReadonlyArray<Local | Hosted> {
    return [...this.hosted, ...this.locals]
  }

  get #watch() {
    return {
      journalWritten: (local: Local) => this.invariants.journalWritten(local.name, local.journal),
      told: (local: Local, drafts: ReadonlyArray<Draft>, written: ReadonlyArray<Written>) => this.invariants.told(local.name, local.tenant.id, drafts, written),
      sending: (local: Local, commit: Uint8Array) => this.invariants.sending(local, commit),
      renewing: (local: Local) => renewal(this, local),
      started: (local: Local) => {
        this.invariants.started(local)
        this.invariants.relayed(local)
      }
    }
  }

  /** A machine that was let in starts. */
  bring(tenant: Tenant, log: { readonly id: string; readonly epoch: number }, secret: Uint8Array): void {
    const local = new Local({ ...this, strike: this.strike, watch: this.#watch }, newcomer, tenant, log, secret)
    this.locals.push(local)
    local.start()
  }

  /** Stop a backend now, and start it again a while later. */
  crash(at: Local | Hosted, meanwhile: () => void = () => {}): void {
    if (at.process === undefined) return
    at.crash()
    meanwhile()
    const { dice } = this.kernel
    this.kernel.after(1 + dice.below(dice.pick([200, 5000, 30_000])), () => {
      if (at.process === undefined) at.start()
    })
  }

  readonly toldAt = (at: Hosted, tenant: string, drafts: ReadonlyArray<Draft>, written: ReadonlyArray<Written>): void => this.invariants.told(at.name, tenant, drafts, written)

  readonly strike = (at: Local | Hosted): boolean => {
    if (!this.weather.strikes()) return false
    this.kernel.trace.note(at.name, "struck")
    this.crash(at)
    return true
  }

  /** What pairing wrote once: the tenants' records, and each device with its proof. */
  #register(first: Hosted): void {
    const { own, tenants } = first.parts!
    const open = { count: 0 }
    const step = (process: Process, what: Parameters<Process["run"]>[0]) => {
      open.count++
      process.run(what, (exit) => {
        if (Exit.isFailure(exit)) this.kernel.fail(0, `the world could not begin: ${String(exit.cause)}`)
        open.count--
      })
      this.until(() => open.count === 0)
    }
    for (const tenant of this.tenants) {
      step(first.process!, tenants.ofUserOrNew(tenant.record.user_id, () => tenant.record, tenant.id))
      const drafts = tenant.record.devices.map(({ backend_id, expires_at, identity, peer_id }): Draft => {
        const { challenge, proof } = whoHas(backend_id)
        return { fact: { type: "peer.registered", data: { peer_id, identity, challenge, proof, expires_at } }, subject: peer_id, surface: "hosted", id: this.newId() }
      })
      step(first.process!, own.write(tenant.id, drafts))
    }
  }

  /** Let time pass until something is so; a minute that does not bring it is a violation. */
  until(is: () => boolean): void {
    for (let waited = 0; !is() && this.kernel.failure === undefined; waited += 20) {
      if (waited > patienceMillis) return this.kernel.fail(0, `something did not start within ${patienceMillis} ms`)
      this.kernel.pass(20)
    }
  }

  /** A version 7 id whose bits are the seed's. */
  newId(): string {
    const hex = (digits: number) => this.kernel.dice.below(16 ** digits).toString(16).padStart(digits, "0")
    return `${hex(8)}-${hex(4)}-7${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`
  }

  tenantOf(backend: Local | Hosted): Tenant {
    return backend instanceof Local ? backend.tenant : this.kernel.dice.pick(this.tenants)
  }

  close(): void {
    for (const backend of this.backends) backend.close()
  }
}
