import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { makeTransportKey } from "../../../src/nats/leafCredentials.ts"
import { frame } from "../../../src/security/commit.ts"
import { keyId } from "../../../src/security/keys.ts"
import { localBackendId } from "../../../src/security/peerId.ts"
import type { SessionToken } from "../../../src/security/sessionToken.ts"
import { unwrapDataKey } from "../../../src/security/wrapping.ts"
import { type Author, LogHistory } from "../../support/logHistory.ts"
import { enrol, hour, makeRawPeer, type RawPeer, registerRaw, tokenFor } from "../../support/rawPeer.ts"
import type { Backend } from "../../support/world.ts"

/** One device as the real registrar let it in, and what it needs to write. */
export interface Device {
  readonly tenant: string
  readonly peer: string
  /** The stream its tenant lives in. */
  readonly log: string
  readonly leafUrls: ReadonlyArray<string>
  readonly jwt: string
  readonly seed: string
  readonly author: Author
  readonly history: LogHistory
}

/** Registrations at once: what a front door sees after a night. */
const atOnce = 8
/** Devices enrolled before they are registered. */
const perTurn = 50

/**
 * Register `count` devices, so many to a user, through `POST /register-peer`. One key pair serves all of them: making
 * two thousand RSA keys would take longer than what is measured, and the registrar does the same work.
 */
export const registerDevices = async (hosted: Backend, count: number, perUser: number, say: (line: string) => void) => {
  const pair = await makeRawPeer("first")
  const histories = new Map<string, LogHistory>()
  const devices: Array<Device> = []
  const took: Array<number> = []
  const seconds = { enrolling: 0, registering: 0 }
  let putOff = 0
  const register = async (peer: RawPeer, token: SessionToken): Promise<Device> => {
    const before = performance.now()
    let answer = await evenIfClosed(() => registerRaw(hosted, peer, token))
    // told to try again, a device does
    for (; answer.status === 503; putOff++) {
      await new Promise((wait) => setTimeout(wait, 1000))
      answer = await evenIfClosed(() => registerRaw(hosted, peer, token))
    }
    took.push(performance.now() - before)
    const { peer_id, replication } = answer.json
    if (answer.status !== 200 && answer.status !== 201 || replication === undefined || peer_id === undefined) throw new Error(`register: ${answer.status} ${answer.text}`)
    const key = await Effect.runPromise(unwrapDataKey(replication.data_key, peer.pair.privateKey, keyId(peer.pair.publicPem)))
    const history = histories.get(replication.tenant) ?? new LogHistory(peer.pair, replication.tenant, key)
    histories.set(replication.tenant, history)
    return {
      tenant: replication.tenant, peer: peer_id, log: replication.log, leafUrls: replication.leaf_urls, jwt: replication.leaf_jwt, seed: peer.transport.seed, history,
      author: { id: peer_id, backendId: peer.backendId, pair: peer.pair, journal: randomUUID(), prev: "", to: 0 }
    }
  }
  // in turns: a pairing code is good for ten minutes
  for (let from = 0; from < count; from += perTurn) {
    const numbers = Array.from({ length: Math.min(perTurn, count - from) }, (_, i) => from + i)
    const began = performance.now()
    const codes = await pooled(numbers, (n) => evenIfClosed(() => enrol(hosted, `user-${Math.floor(n / perUser)}`)))
    seconds.enrolling += (performance.now() - began) / 1000
    const ready = await pooled(numbers, async (n, at): Promise<readonly [RawPeer, SessionToken]> => {
      const backendId = localBackendId("bench", `${n}`)
      const peer: RawPeer = { ...pair, backendId, identity: { ...pair.identity, backend_id: backendId }, transport: await Effect.runPromise(makeTransportKey) }
      return [peer, await evenIfClosed(() => tokenFor(hosted, peer, codes[at]!, { expires_at: new Date(Date.now() + 7 * hour).toISOString() }))]
    })
    const since = performance.now()
    devices.push(...await pooled(ready, ([peer, token]) => register(peer, token)))
    const took = (performance.now() - since) / 1000
    seconds.registering += took
    say(`  ${devices.length} registered, the last ${ready.length} in ${took.toFixed(1)} s; told to try again ${putOff} times`)
  }
  return { devices, seconds, took, putOff }
}

/** A signed commit of one sealed message, as it goes over the wire. Its author's chain moves on. */
export const nextCommit = ({ author, history }: Device): Uint8Array => {
  const event = history.said(author, "bench", `${"a message of some length ".repeat(8)}${author.to}`)
  return frame(history.record(author, [event]).data, [event.data])
}

/** A connection that idled may be closed by the server just as it is used again, and on a busy machine more than once. */
const evenIfClosed = async <A>(ask: () => Promise<A>, more = 5): Promise<A> => {
  try {
    return await ask()
  } catch (cause) {
    if (more === 0) throw cause
    await new Promise((wait) => setTimeout(wait, 200))
    return await evenIfClosed(ask, more - 1)
  }
}

const pooled = async <A, B>(items: ReadonlyArray<A>, each: (item: A, at: number) => Promise<B>): Promise<ReadonlyArray<B>> => {
  const out: Array<B> = []
  let next = 0
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (next < items.length) {
      const at = next++
      out[at] = await each(items[at]!, at)
    }
  }))
  return out
}
