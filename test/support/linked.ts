import { Effect } from "effect"
import { freePort } from "./natsServer.ts"
import type { Backend, Link, World } from "./world.ts"

/** A hosted backend whose locals all come through one link, and that link. */
export const linkedHosted = async (world: World): Promise<{ readonly hosted: Backend; readonly link: Link }> => {
  const leafPort = await Effect.runPromise(freePort)
  const link = await world.link(leafPort)
  return { hosted: await world.hosted("hosted", { leafPort, leafUrl: `nats-leaf://127.0.0.1:${link.port}` }), link }
}

/** A local's status, after it has asked the hosted side where that can be asked. */
export const statusOf = async (local: Backend): Promise<any> => (await local.http("GET", "/status")).json

/** A conversation as a backend shows it; `undefined` where it shows none. `tenant` for the hosted one. */
export const shown = async (backend: Backend, id: string, tenant: string): Promise<any> => {
  const { json, status } = await backend.http("GET", `/conversations/${encodeURIComponent(id)}${backend.side === "hosted" ? `?tenant=${tenant}` : ""}`)
  if (status !== 200 && status !== 404) throw new Error(`${backend.name}: ${status} ${JSON.stringify(json)}`)
  return status === 404 ? undefined : json
}

/** A request that has to succeed. */
export const done = async (backend: Backend, method: string, path: string, body?: unknown): Promise<any> => {
  const { json, status, text } = await backend.http(method, path, body)
  if (status < 200 || status > 299) throw new Error(`${backend.name}: ${method} ${path}: ${status} ${text}`)
  return json
}
