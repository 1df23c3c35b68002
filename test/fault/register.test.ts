// Goal: a refusal is known by the name hosted gives it, so that a wrong clock is not taken for a reason to stop for good.
// Method: an HTTP server on loopback that refuses in the form of RFC 9457, as the contract's golden file has it.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer } from "node:http"
import { forwardRegistration } from "../../src/local/register.ts"
import { typeOf } from "../../src/gateway/http/problems.ts"

const answering = (status: number, body: object) =>
  Effect.acquireRelease(
    Effect.callback<string>((resume) => {
      const server = createServer((_, response) => void response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify(body)))
      server.listen(0, "127.0.0.1", () => {
        const at = server.address()
        resume(Effect.succeed(typeof at === "object" && at !== null ? `http://127.0.0.1:${at.port}` : ""))
      })
      return Effect.sync(() => server.close())
    }),
    () => Effect.void)

describe("what hosted answers to a registration", () => {
  it.effect("keeps the name and the hint of a refusal", () =>
    Effect.gen(function*() {
      const url = yield* answering(401, { type: typeOf("token-refused"), status: 401, title: "refused", hint: "Set the clocks." })
      const error = yield* Effect.flip(forwardRegistration(url, { backend_identity: {}, sbt: "", proof: "" }))
      assert.strictEqual(error._tag, "CommandFailed")
      if (error._tag === "CommandFailed") assert.deepStrictEqual([error.status, error.type, error.hint], [401, "token-refused", "Set the clocks."])
    }))
})
