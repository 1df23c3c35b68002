import { Effect, Option, Schema } from "effect"
import type { Audit } from "../../streams/Audit.ts"
import type { RegistrationRefused, Registrar } from "../../streams/Backend.ts"
import type { RegisterPeer, Registered } from "../../streams/Registration.ts"
import { Identity } from "../../streams/events/peer.ts"
import { keyId } from "./keys.ts"

/** Whom a token that was refused claims to be, as far as that is known here. Never what a stranger made up. */
export interface Claimed {
  readonly tenant?: string
  readonly peer_id?: string
}

const readIdentity = Schema.decodeUnknownOption(Identity)

/** Too many tries and a store that is away say nothing of who tried. */
const isSuspect = ({ status }: RegistrationRefused) => status !== 429 && status !== 503

/** The same registrar; who joins, and who is not let in, is audited. */
export const auditedRegistrar = (audit: Pick<Audit["Service"], "record" | "count">, registrar: Registrar["Service"], claimed: (bearer: string) => Claimed): Registrar["Service"] => {
  const refused = (type: "registration.refused" | "session.refused", bearer: string) => (refusal: RegistrationRefused) => {
    if (!isSuspect(refusal)) return Effect.void
    const { peer_id, tenant } = claimed(bearer)
    return audit.count({ type, by: "nobody", ...(tenant === undefined ? {} : { tenant }), data: { reason: refusal.type, ...(peer_id === undefined ? {} : { peer_id }) } })
  }
  const joined = (body: RegisterPeer, { expires_at, peer_id, status }: Registered) =>
    Option.match(readIdentity(body.backend_identity), {
      onNone: () => Effect.void,
      onSome: ({ backend_type, public_key }) => {
        const { tenant } = claimed(body.sbt)
        const who = { by: peer_id, ...(tenant === undefined ? {} : { tenant }) }
        const came = audit.record({ type: status === "registered" ? "peer.registered" : "peer.renewed", ...who, data: { peer_id, backend_type, key_id: keyId(public_key), expires_at } })
        // a secret has no name that could be told
        return body.rotate_secret === true && backend_type === "local" ? Effect.andThen(came, audit.record({ type: "key.rotated", ...who, data: { of: "pairing", key_id: "" } })) : came
      }
    })
  return {
    // read when asked: it changes when keys are rotated
    get identity() { return registrar.identity },
    prove: registrar.prove,
    register: (body) => registrar.register(body).pipe(
      Effect.tap((registered) => joined(body, registered)),
      Effect.tapError(refused("registration.refused", body.sbt))),
    authenticate: (bearer) => Effect.tapError(registrar.authenticate(bearer), refused("session.refused", bearer))
  }
}

