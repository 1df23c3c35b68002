/**
 * Goal: an operator's browser gets in by a code, once, for eight hours, as the one who asked for the code and no more.
 * Method: codes and sessions of each kind of token at a running gateway; their ends by the record's own clock.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import { adminTokens, openAdminTokens } from "../../src/hosted/adminTokens.ts"
import { operatorSessions } from "../../src/hosted/operatorSessions.ts"
import { makeMemoryKeyValue } from "../../src/nats/keyValue.ts"
import { newSecretKey } from "../../src/security/secretKey.ts"
import { endOperatorSession, hostedBackend, openOperatorSession, renewOperatorSession } from "../../src/sdk/typescript/owner/index.ts"
import { makeRig, problemOf, secret } from "../support/gatewayRig.ts"

const hosted = makeRig({ side: "hosted" })
const as = (token: unknown) => ({ authorization: `Bearer ${String(token)}` })

describe("sessions of operators", () => {
  it.live("a code opens one session, which may what its maker may", () =>
    Effect.gen(function*() {
      const { ask, url } = yield* hosted
      yield* Effect.promise(async () => {
        const tokenOf = async (name: string, scope: string) => String((await ask("POST", "/admin/tokens", { name, scope })).body["token"])
        const reader = await tokenOf("grafana", "read")
        const codeOf = async (token: string) => {
          const made = await ask("POST", "/operator-codes", undefined, as(token))
          assert.strictEqual(made.status, 201)
          assert.strictEqual(made.body["public_url"], "https://sync.example.org")
          return String(made.body["code"])
        }
        const code = await codeOf(reader)
        assert.strictEqual((await ask("GET", "/status", undefined, as(code))).status, 401, "a code is no token")
        const { token } = await openOperatorSession({ url }, code)
        assert.strictEqual(problemOf(await ask("POST", "/operator-sessions", { code })), "401 wrong-code")
        assert.strictEqual((await ask("GET", "/status", undefined, as(token))).status, 200)
        assert.strictEqual(problemOf(await ask("POST", "/enroll", { user: "ada" }, as(token))), "403 scope-too-small")
        // of a reader's session comes another reader's, and nothing more
        const second = (await openOperatorSession({ url }, await codeOf(token))).token
        assert.strictEqual(problemOf(await ask("POST", "/enroll", { user: "ada" }, as(second))), "403 scope-too-small")
        const own = (await openOperatorSession({ url }, await codeOf(secret))).token
        assert.strictEqual((await hostedBackend({ url, token: own }).enroll("ada")).code, "a code")
        // a page that was let in by a token is by a session from then on
        const renewed = (await renewOperatorSession({ url, token: reader })).token
        assert.notStrictEqual(renewed, reader)
        assert.strictEqual((await renewOperatorSession({ url, token: renewed })).token, renewed)
        await ask("DELETE", "/admin/tokens/grafana")
        for (const gone of [token, second, renewed]) assert.strictEqual((await ask("GET", "/status", undefined, as(gone))).status, 401)
        assert.strictEqual((await ask("GET", "/status", undefined, as(own))).status, 200)
        // a page that is locked ends its own session and nobody else's, with the stream it has open; a token stays
        const other = (await openOperatorSession({ url }, await codeOf(secret))).token
        const stream = await fetch(`${url}/events`, { headers: as(own) })
        assert.strictEqual((await endOperatorSession({ url, token: own })).status, "ended")
        assert.strictEqual((await ask("GET", "/status", undefined, as(own))).status, 401)
        await stream.text()
        assert.strictEqual((await endOperatorSession({ url, token: secret })).status, "ended")
        for (const good of [other, secret]) assert.strictEqual((await ask("GET", "/status", undefined, as(good))).status, 200)
        // `maestra hosted lock`: every page of one's own token, and no other token's
        const carol = await tokenOf("carol", "read")
        const hers = (await openOperatorSession({ url }, await codeOf(carol))).token
        const unused = await codeOf(secret)
        await ask("POST", "/operator-sessions/end?all=true")
        assert.strictEqual((await ask("GET", "/status", undefined, as(other))).status, 401)
        assert.strictEqual(problemOf(await ask("POST", "/operator-sessions", { code: unused })), "401 wrong-code")
        for (const good of [hers, carol, secret]) assert.strictEqual((await ask("GET", "/status", undefined, as(good))).status, 200)
        const audit = (await ask("GET", "/audit?limit=100")).text
        assert.lengthOf(audit.match(/admin_session\.ended/g) ?? [], 2)
        assert.match(audit, /admin_session\.opened/)
        for (const held of [code, token, own, "grafana"]) assert.notInclude(audit, held)
      })
    }))

  it.effect("codes end after five minutes, sessions after eight hours, on every process; a used code is used on all", () =>
    Effect.gen(function*() {
      const store = yield* makeMemoryKeyValue("TENANTS")
      const key = newSecretKey()
      const processOf = Effect.map(openAdminTokens(store, key), (record) => ({ sessions: operatorSessions(record, "http://127.0.0.1:1"), holder: adminTokens(record).holder }))
      const [one, two] = [yield* processOf, yield* processOf]
      const own = { name: null, scope: "operate" } as const
      const { code } = yield* one.sessions.code(own)
      const both = yield* Effect.all([Effect.result(one.sessions.open(code)), Effect.result(two.sessions.open(code))], { concurrency: "unbounded" })
      assert.strictEqual(both.filter(Result.isSuccess).length, 1)
      const late = (yield* two.sessions.code(own)).code
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* Effect.flip(one.sessions.open(late))).type, "wrong-code")
      const { session: { token } } = yield* one.sessions.open((yield* one.sessions.code(own)).code)
      const began = 5 * 60_000
      const hours = (n: number) => began + n * 3_600_000
      assert.deepStrictEqual((yield* processOf).holder(token, hours(8) - 1), own)
      assert.isUndefined(one.holder(token, hours(8)))
      yield* TestClock.adjust("7 hours")
      yield* one.sessions.renew(own, token)
      assert.deepStrictEqual(one.holder(token, hours(15) - 1), own)
      assert.isUndefined(one.holder(token, hours(15)))
      yield* two.sessions.end(token)
      assert.isUndefined((yield* processOf).holder(token, hours(15) - 1))
    }))
})
