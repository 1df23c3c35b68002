import { Clock, Effect, Layer, Redacted } from "effect"
import { HttpServerRequest } from "effect/http"
import { Nonces } from "../../../streams/Access.ts"
import { Actor, Audit } from "../../../streams/Audit.ts"
import { Syncing } from "../../../streams/Backend.ts"
import { claimedPeer, type ProofRefused, verifyFreshProof } from "../../security/proofs.ts"
import { bytesOf } from "./body.ts"
import { type Asking, Caller, Private } from "./caller.ts"
import { fromBackend, type Problem, problem, refused } from "./problems.ts"
import { actorOf, audited } from "./refusals.ts"
import { scopeOf, scopeTooSmall, suffices } from "./scopes.ts"

interface Side {
  readonly identify: (bearer: string) => Effect.Effect<Asking, Problem>
  readonly tenantNamed: (given: string | undefined) => Effect.Effect<string, Problem>
}

/** A session alone reads and writes conversations: a stolen one exports and erases nothing. */
export const privateLayer = <E, R>(side: Effect.Effect<Side, E, R>) =>
  Layer.effect(Private, Effect.gen(function*() {
    const { identify, tenantNamed } = yield* side
    const syncing = yield* Syncing
    const nonces = yield* Nonces
    const audit = yield* Audit
    return Private.of({
      bearer: (handler, { credential, endpoint, group }) =>
        Effect.gen(function*() {
          const asking = yield* identify(Redacted.value(credential)).pipe(audited(audit))
          return yield* Effect.gen(function*() {
            if (asking.scope !== undefined && !suffices(asking.scope, scopeOf(group.identifier, endpoint.identifier))) return yield* scopeTooSmall
            if (asking.kind === "device") yield* proven(syncing, nonces, asking)
            const { url } = yield* HttpServerRequest.HttpServerRequest
            const tenant = asking.kind === "operator" ? yield* tenantNamed(new URL(url, "http://localhost").searchParams.get("tenant") ?? undefined) : asking.tenant
            return yield* Effect.provideService(handler, Caller, { ...asking, tenant })
          }).pipe(audited(audit, asking), Effect.provideService(Actor, actorOf(asking)))
        })
    })
  }))

const proven = Effect.fnUntraced(function*(syncing: Syncing["Service"], nonces: Nonces["Service"], { tenant, via }: Asking): Effect.fn.Return<void, Problem, HttpServerRequest.HttpServerRequest> {
  const request = yield* HttpServerRequest.HttpServerRequest
  const header = request.headers["maestra-proof"]
  if (header === undefined) return yield* refuse("There is no Maestra-Proof header.", "Sign the request with the key of the device: docs/PROTOCOL.md, fresh proofs.")
  const peerId = yield* Effect.fromResult(claimedPeer(header)).pipe(Effect.mapError(ofProof))
  const peer = yield* refused(syncing.peer(tenant, peerId))
  if (peer.backendId !== via) return yield* refuse("The proof is another peer's than the session's.", "Make the proof with the key of the device whose session it is.")
  const body = yield* bytesOf(request)
  const now = yield* Clock.currentTimeMillis
  const holds = (publicPem: string) => verifyFreshProof(header, { peerId, publicPem, request: { method: request.method, path: request.url, body }, now, nonces })
  // the newest key last; an old one holds until its grace ends
  const [newest, ...older] = peer.publicKeys.toReversed()
  if (newest === undefined) return yield* refuse("No key is registered for this peer.", "Register again.")
  yield* older.reduce((tried, key) => Effect.catchIf(tried, (error) => error._tag === "ProofRefused" && error.reason === "bad-signature", () => holds(key)), holds(newest)).pipe(
    Effect.mapError((error) => error._tag === "ProofRefused" ? ofProof(error) : fromBackend(error)))
})

const refuse = (detail: string, hint: string) => Effect.fail(problem("proof-refused", detail, hint))
const ofProof = ({ hint, reason }: ProofRefused) => problem("proof-refused", `The proof does not hold: ${reason}.`, hint)
