/**
 * Goal: an admin token does what its scope says and no more, wherever it is shown; a revoked one nothing, within a second.
 * Method: both scopes against every endpoint of the operator of a running gateway.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { scopeOf, suffices } from "../../src/gateway/http/scopes.ts"
import { HostedApi } from "../../src/gateway/http/api.ts"
import { Operator, Private } from "../../src/gateway/http/caller.ts"
import { listOf, makeRig, median, problemOf, type Rig } from "../support/gatewayRig.ts"

const asking = (rig: Rig) => (...request: Parameters<Rig["ask"]>) => Effect.promise(() => rig.ask(...request))
const as = (token: unknown) => ({ authorization: `Bearer ${String(token)}` })
const hosted = makeRig({ side: "hosted" })

/** Every endpoint an operator reaches, but for conversations: its row, method and path with something in each place. */
const operators = Object.values(HostedApi.groups).flatMap((group) =>
  Object.values(group.endpoints)
    .filter((endpoint) => endpoint.middlewares.has(Operator) || endpoint.middlewares.has(Private))
    .map(({ identifier, method, path }) => ({ group: group.identifier, name: identifier, method, path: path.replace(/:\w+/g, "x") })))

describe("admin tokens", () => {
  it.live("a read token opens what the table says, an operate token all", () =>
    Effect.gen(function*() {
      const rig = yield* hosted
      const ask = asking(rig)
      const reader = (yield* ask("POST", "/admin/tokens", { name: "grafana", scope: "read" })).body["token"]
      const operator = (yield* ask("POST", "/admin/tokens", { name: "carol", scope: "operate" })).body["token"]
      for (const { group, method, name, path } of operators) {
        // an answer cut in its middle is no refusal
        const refusedTo = (token: unknown) => Effect.promise(() =>
          rig.ask(method, path, method === "POST" ? {} : undefined, as(token)).then((answer) => problemOf(answer) === "403 scope-too-small", () => false))
        assert.strictEqual(yield* refusedTo(reader), !suffices("read", scopeOf(group, name)), `${method} ${path}`)
        assert.isFalse(yield* refusedTo(operator), `${method} ${path}`)
      }
      assert.strictEqual((yield* ask("GET", "/conversations?tenant=t_aaaaaaaaaaaaaaaa", undefined, as(reader))).status, 200)
    }))

  it.live("names are used once, lists show no token, and a revoked one opens nothing", () =>
    Effect.gen(function*() {
      const rig = yield* hosted
      const ask = asking(rig)
      const made = yield* ask("POST", "/admin/tokens", { name: "carol", scope: "operate" })
      assert.strictEqual(made.status, 201)
      const token = String(made.body["token"])
      const streamOf = (whose: string) => Effect.promise(() => fetch(`${rig.url}/events?tenant=t_aaaaaaaaaaaaaaaa`, { headers: as(whose) }))
      const stream = yield* streamOf(token)
      assert.strictEqual(stream.status, 200)
      assert.strictEqual(problemOf(yield* ask("POST", "/admin/tokens", { name: "carol", scope: "read" })), "409 token-exists")
      assert.strictEqual((yield* ask("POST", "/admin/tokens", { name: "dave", scope: "all" })).body["field"], "scope")
      const listed = yield* ask("GET", "/admin/tokens", undefined, as(token))
      assert.deepInclude(listOf(listed.body, "tokens")[0], { name: "carol", scope: "operate", revoked_at: null })
      assert.notInclude(listed.text, token)
      const ends = Effect.fnUntraced(function*(name: string, whose: string, open: Response) {
        const began = yield* Clock.currentTimeMillis
        assert.strictEqual((yield* ask("DELETE", `/admin/tokens/${name}`, undefined, as(whose))).status, 200)
        assert.strictEqual((yield* ask("GET", "/status", undefined, as(whose))).status, 401)
        yield* Effect.promise(() => open.text())
        return (yield* Clock.currentTimeMillis) - began
      })
      const took = [yield* ends("carol", token, stream)]
      for (const name of ["erin", "frank"]) {
        const other = String((yield* ask("POST", "/admin/tokens", { name, scope: "operate" })).body["token"])
        took.push(yield* ends(name, other, yield* streamOf(other)))
      }
      assert.isBelow(median(took), 1000, `streams went on for ${took.join(", ")} ms`)
      assert.strictEqual(problemOf(yield* ask("DELETE", "/admin/tokens/nobody")), "404 unknown-token")
      assert.strictEqual(problemOf(yield* ask("POST", "/admin/tokens", { name: "carol", scope: "read" })), "409 token-exists")
      for (const almost of [token.slice(0, -1), `${token} `, token.replace("maestra-admin-", ""), "maestra-admin-"]) {
        assert.strictEqual((yield* ask("GET", "/status", undefined, as(almost))).status, 401)
      }
    }))
})
