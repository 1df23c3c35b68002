import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Digest, Health, Status } from "../answers.ts"
import { ask } from "../call.ts"
import { count } from "../text.ts"
import type { Child } from "./child.ts"

/** What one backend holds, as `demo --json` prints it. */
export interface Holding extends Digest {
  readonly name: string
  readonly backend_id: string
}

export interface Agreement {
  readonly equal: boolean
  readonly backends: ReadonlyArray<Holding>
  /** Who is behind and by what, when they are not equal. */
  readonly lagging: ReadonlyArray<string>
}

const pollEvery = "250 millis"

/**
 * Wait until all hold the same and nothing is under way. Gives up when nothing has moved for `stillMillis`:
 * how long it takes as long as it moves is the machine's business.
 */
export const agree = Effect.fnUntraced(function*(children: ReadonlyArray<Child>, tenant: string, stillMillis: number) {
  let before = ""
  let movedAt = yield* Clock.currentTimeMillis
  while (true) {
    const seen = yield* look(children, tenant)
    const now = yield* Clock.currentTimeMillis
    if (seen.agreement?.equal === true) return seen.agreement
    if (seen.figures !== before) {
      before = seen.figures
      movedAt = now
    }
    if (now - movedAt > stillMillis) return seen.agreement ?? { ...yield* compare(children, tenant), equal: false, lagging: seen.lagging }
    yield* Effect.sleep(pollEvery)
  }
})

/** The devices' own word first: digests are read only when nothing is under way, since each reads everything. */
const look = Effect.fnUntraced(function*(children: ReadonlyArray<Child>, tenant: string) {
  const devices = children.filter(({ name }) => name !== "hosted")
  const statuses = yield* Effect.forEach(devices, ({ name, backend }) =>
    Effect.map(ask(backend, Status, { method: "GET", path: "/status" }), ({ value }) => ({ name, status: value })), { concurrency: "unbounded" })
  const figures = JSON.stringify(statuses.map(({ status }) => [status.state, status.pending, status.behind, status.conversations, status.messages]))
  const lagging = statuses
    .filter(({ status }) => status.state !== "in_step" || status.pending > 0 || status.behind > 0)
    .map(({ name, status }) => `${name} (${status.sentence}; ${count(status.pending)} to send, ${count(status.behind)} to receive)`)
  return lagging.length > 0 ? { figures, lagging, agreement: undefined } : { figures, lagging, agreement: yield* compare(children, tenant) }
})

const compare = Effect.fnUntraced(function*(children: ReadonlyArray<Child>, tenant: string) {
  const backends = yield* Effect.forEach(children, Effect.fnUntraced(function*({ name, backend }) {
    const digest = yield* ask({ ...backend, tenant: name === "hosted" ? tenant : undefined }, Digest, { method: "GET", path: "/digest" })
    const health = yield* ask(backend, Health, { method: "GET", path: "/health" })
    const holding: Holding = { name, backend_id: health.value.backend_id, conversations: digest.value.conversations, messages: digest.value.messages, digest: digest.value.digest }
    return holding
  }), { concurrency: "unbounded" })
  const agreement: Agreement = judge(backends)
  return agreement
})

/** Equal, or who differs from the one that holds most: what was written somewhere is on its way to the others. */
export const judge = (backends: ReadonlyArray<Holding>): Agreement => {
  const fullest = backends.reduce((most, each) => each.messages > most.messages ? each : most)
  const behind = backends.filter(({ digest }) => digest !== fullest.digest)
  return {
    equal: behind.length === 0,
    backends,
    lagging: behind.map((each) => `${each.name} (${count(each.messages)} of ${count(fullest.messages)} messages)`)
  }
}
