import { Effect } from "effect"
import { join } from "node:path"
import type { Conflict, Conversation, Imported, MessageWritten, Write } from "../../src/gateway/http/wire.ts"
import type { LocalStatus } from "../../streams/Backend.ts"
import { freePort } from "./natsServer.ts"
import type { Link } from "./tcpLink.ts"
import { type Backend, makeWorld, type World } from "./world.ts"

/** The answers of the contract, by what was asked for. */
export type Shown = typeof Conversation.Type
export type Said = typeof MessageWritten.Type
export type ImportDone = typeof Imported.Type
export type Conflicts = { readonly conflicts: ReadonlyArray<typeof Conflict.Type> }
export type History = { readonly writes: ReadonlyArray<typeof Write.Type> }

/** A hosted backend whose locals all come through one link, and that link. */
export const linkedHosted = async (world: World): Promise<{ readonly hosted: Backend; readonly link: Link }> => {
  const leafPort = await Effect.runPromise(freePort)
  const link = await world.link(leafPort)
  return { hosted: await world.hosted("hosted", { leafPort, leafUrl: `nats-leaf://127.0.0.1:${link.port}` }), link }
}

/** A local's status, after it has asked the hosted side where that can be asked. */
export const statusOf = (local: Backend): Promise<LocalStatus> => done(local, "GET", "/status")

const conversationAt = (backend: Backend, id: string, tenant: string) =>
  backend.http<Shown>("GET", `/conversations/${encodeURIComponent(id)}${backend.side === "hosted" ? `?tenant=${tenant}` : ""}`)

/** A conversation as a backend shows it. `tenant` is for the hosted one. */
export const shown = async (backend: Backend, id: string, tenant: string): Promise<Shown> => {
  const { json, status, text } = await conversationAt(backend, id, tenant)
  if (status !== 200) throw new Error(`${backend.name}: ${id}: ${status} ${text}`)
  return json
}

export const isHidden = async (backend: Backend, id: string, tenant: string): Promise<boolean> => (await conversationAt(backend, id, tenant)).status === 404

/** A request that has to succeed; the caller says what the contract answers there. */
export const done = async <A>(backend: Backend, method: string, path: string, body?: unknown): Promise<A> => {
  const { json, status, text } = await backend.http<A>(method, path, body)
  if (status < 200 || status > 299) throw new Error(`${backend.name}: ${method} ${path}: ${status} ${text}`)
  return json
}

/** The usual three, running and paired: a hosted backend and two local ones of one person. */
export interface Paired {
  readonly world: World
  readonly hosted: Backend
  readonly a: Backend
  readonly b: Backend
  readonly tenant: string
}

export const makePaired = async (): Promise<Paired> => {
  const world = await makeWorld()
  const [hosted, a, b] = await Promise.all([world.hosted(), world.local("a"), world.local("b")])
  const tenant = await world.pair(hosted, a)
  await world.pair(hosted, b)
  return { world, hosted, a, b, tenant }
}

/** Two hosted processes of one deployment: the second joined the first. */
export const makeTwoHosted = async (env: Readonly<Record<string, string>> = {}): Promise<{ readonly world: World; readonly first: Backend; readonly second: Backend }> => {
  const world = await makeWorld()
  const first = await world.hosted("first", { env })
  return { world, first, second: await world.hosted("second", { env, cluster: join(first.dir, "cluster.json") }) }
}
