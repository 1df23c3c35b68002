import { Cause, Exit } from "effect"
import type { OfferedMessage } from "../../src/gateway/sync/payload.ts"
import { selfTenant } from "../../streams/Backend.ts"
import { conversations, messages } from "./client.ts"
import type { Hosted } from "./hosted.ts"
import type { Tenant } from "./identities.ts"
import { Local } from "./local.ts"
import type { World } from "./world.ts"

interface Unsent {
  readonly conversation: string
  readonly message: OfferedMessage
}

const backendId = `ios_sha256_${"5".repeat(64)}`
const syncEvery = 10_000
const patience = 20_000

/** A phone that signs no commits: it sends what it has to one side, again and again until it is answered, and the gateway writes for it. */
export class SimpleClient {
  readonly name = "simple phone"
  readonly tenant: Tenant
  /** Where it syncs; with any hosted process where it has no machine. */
  readonly home: Local | undefined
  readonly #world: World
  readonly #unsent = new Map<string, Unsent>()
  readonly #versions = new Map<string, number>()
  #waiting: object | undefined
  #written = 0

  constructor(world: World, tenant: Tenant, home: Local | undefined) {
    this.#world = world
    this.tenant = tenant
    this.home = home
    world.kernel.every(syncEvery, () => this.sync())
  }

  write(): void {
    const { dice, trace } = this.#world.kernel
    const conversation = dice.pick(conversations.slice(0, -1))
    const id = dice.pick(messages)
    const key = `${conversation}/${id}`
    // above what it replaces, heard of or its own
    const version = (this.#versions.get(key) ?? -1) + 1
    this.#versions.set(key, version)
    this.#unsent.set(key, { conversation, message: { id, version, surface: undefined, words: { role: "user", content: `sent simply ${++this.#written}`, timestamp: "2026-11-22T10:00:00Z" } } })
    trace.note(this.name, `typed ${key} at ${version}`)
    this.sync()
  }

  get unrest(): string | undefined {
    return this.#unsent.size === 0 ? undefined : `${this.#unsent.size} of its messages were not answered`
  }

  sync(): void {
    const { kernel, weather } = this.#world
    const at = this.home ?? kernel.dice.pick(this.#world.hosted)
    if (this.#unsent.size === 0 || this.#waiting !== undefined || at.parts === undefined) return
    const sent = [...this.#unsent.values()]
    const request = this.#waiting = {}
    const over = () => {
      if (this.#waiting === request) this.#waiting = undefined
    }
    kernel.after(patience, over)
    const delay = weather.latency()
    if (!weather.lost()) this.#deliver(at, sent, delay, over)
    // the same again, at the same moment or long after
    if (weather.repeated()) this.#deliver(at, sent, delay + kernel.dice.pick([0, kernel.dice.below(20_000)]), undefined)
  }

  #deliver(at: Local | Hosted, sent: ReadonlyArray<Unsent>, delay: number, heard: (() => void) | undefined): void {
    const { kernel, weather } = this.#world
    kernel.after(delay, () => {
      if (at.parts === undefined || at.process === undefined) return
      const tenant = at instanceof Local ? selfTenant : this.tenant.id
      const conversations = [...Map.groupBy(sent, ({ conversation }) => conversation)].map(([id, all]) => ({
        id, version: 0, title: undefined, deleted: false, surface: undefined, messages: all.map(({ message }) => message)
      }))
      at.process.run(at.parts.gateway({ tenant, peer: "", backendId }, { syncId: "s", conversations, commits: [], cursor: undefined }), (exit) => {
        if (Exit.isFailure(exit)) {
          if (Cause.hasDies(exit.cause)) kernel.fail(0, `${at.name}: a sync of ${this.name}: ${Cause.pretty(exit.cause)}`)
          return
        }
        kernel.trace.note(at.name, `synced ${sent.length} of ${this.name}`)
        if (heard === undefined || weather.lost()) return
        kernel.after(weather.latency(), () => {
          heard()
          for (const { conversation, message } of sent) if (this.#unsent.get(`${conversation}/${message.id}`)?.message === message) this.#unsent.delete(`${conversation}/${message.id}`)
          for (const { conversation_id, messages } of exit.value.changes) for (const { id, version } of messages) this.#heardOf(`${conversation_id}/${id}`, version)
        })
      })
    })
  }

  #heardOf(key: string, version: number): void {
    this.#versions.set(key, Math.max(version, this.#versions.get(key) ?? 0))
  }
}
