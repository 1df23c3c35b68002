// Goal: a refusal is known by the name hosted gives it, so that a wrong clock is not taken for a reason to stop for good; and an answer is hosted's own, whoever stands in between.
// Method: an HTTP server on loopback that refuses in the form of RFC 9457, as the contract's golden file has it, or answers with what hosted signed, or with a little of its own.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Result } from "effect"
import { createServer } from "node:http"
import { forwardRegistration, registerWith } from "../../src/local/register.ts"
import { signerOf } from "../../src/security/BackendIdentity.ts"
import { hostedBackendId, localBackendId } from "../../src/security/peerId.ts"
import { decodeBearer } from "../../src/security/sessionToken.ts"
import { keys } from "../support/ingestRig.ts"
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

describe("an answer to a registration", () => {
  it.live("is taken as hosted signed it for this very session, and in no other form", () =>
    Effect.gen(function*() {
      const made = yield* Effect.promise(() => keys)
      const signer = (id: string, type: "hosted" | "local", name: string) => {
        const pair = made[name]!
        return signerOf({ identity: { backend_id: id, backend_type: type, public_key: pair.publicPem, wrap_key: pair.publicPem, capabilities: [], version: "1.0", created_at: "2026-11-22T10:00:00.000Z" }, signing: pair, wrap: pair })
      }
      const [hosted, self, stranger] = [signer(hostedBackendId("d"), "hosted", "hosted"), signer(localBackendId("m", "i"), "local", "ada"), signer(hostedBackendId("d"), "hosted", "mallory")]
      const answer = { status: "renewed", peer_id: "peer_0123456789abcdef", sync_endpoint: "s", telemetry_endpoint: "t", sync_interval_ms: 1, expires_at: "2026-11-22T18:00:00.000Z", hosted_key_id: hosted.keyId }
      let spoil = (signed: Readonly<Record<string, unknown>>): object => signed
      let by = hosted
      const url = yield* Effect.acquireRelease(
        Effect.callback<string>((resume) => {
          const server = createServer((request, response) => {
            let text = ""
            request.on("data", (chunk: Buffer) => { text += chunk.toString() }).on("end", () => {
              const token = decodeBearer((JSON.parse(text) as { readonly sbt: string }).sbt)
              const challenge = Result.isSuccess(token) ? token.success.signature : ""
              void Effect.runPromise(by.signObject("registration", { ...answer, challenge })).then(({ signature }) => response.end(JSON.stringify(spoil({ ...answer, signature }))))
            })
          })
          server.listen(0, "127.0.0.1", () => {
            const at = server.address()
            resume(Effect.succeed(typeof at === "object" && at !== null ? `http://127.0.0.1:${at.port}` : ""))
          })
          return Effect.sync(() => server.close())
        }),
        () => Effect.void)
      const register = registerWith({ url, hosted: hosted.identity, userId: "ada", secret: Redacted.make(new Uint8Array(32)), self, transportKey: "U", sessionLife: Duration.hours(1) })
      const first = yield* register
      assert.strictEqual(first.answer.peer_id, answer.peer_id)
      const replayed = { ...answer, signature: first.answer.signature }
      const others: ReadonlyArray<typeof spoil> = [
        (signed) => ({ ...signed, sync_endpoint: "elsewhere" }), (signed) => ({ ...signed, more: 1 }), ({ signature: _, ...rest }) => rest, () => replayed
      ]
      for (const other of others) {
        spoil = other
        assert.include(yield* Effect.flip(register), { _tag: "CommandFailed", type: "not-the-expected-backend" })
      }
      spoil = (signed) => signed
      by = stranger
      assert.include(yield* Effect.flip(register), { _tag: "CommandFailed", type: "not-the-expected-backend" })
    }))
})
