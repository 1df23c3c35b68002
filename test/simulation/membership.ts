import { Cause, Duration, Effect, Exit, Option, Result } from "effect"
import type { Draft, RegistrationRefused } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import { goingWith, goneWith, shutOut } from "../../src/hosted/control.ts"
import { registerOnHosted, type RegistrarContext } from "../../src/hosted/HostedRegistrar.ts"
import { canonicalJson } from "../../src/security/canonical.ts"
import { toBase64url } from "../../src/security/digest.ts"
import { createSessionToken, encodeBearer, tokenLifeMax } from "../../src/security/sessionToken.ts"
import type { Hosted } from "./hosted.ts"
import { handedOver, hosted, newcomer, type Tenant, whoIs } from "./identities.ts"
import type { Local } from "./local.ts"
import type { World } from "./world.ts"

/** A person shuts a machine out, at one of the hosted processes. Unanswered it may have happened: whoever began does it again. */
export const revoke = (world: World, local: Local, at: Hosted = world.kernel.dice.pick(world.hosted)): void => {
  const { kernel } = world
  const { parts, process } = at
  if (parts === undefined || process === undefined) return
  local.revoking = true
  const { peer, tenant } = local.machine
  process.run(Effect.gen(function*() {
    const after = yield* parts.tenants.update(tenant, (current) => Result.succeed(goingWith(current, peer).reduce((held, device) => shutOut(held, device, isoTime(kernel.now)), current)))
    const leaving = goneWith(after, peer)
    local.revoked = true
    local.feed.closed = true
    for (const peer_id of leaving) world.invariants.shutOut(peer_id)
    kernel.trace.note(at.name, `${local.name} is shut out, with ${leaving.length - 1} companions`)
    yield* parts.own.write(tenant, leaving.map((peer_id): Draft => ({ fact: { type: "peer.revoked", data: { peer_id, cause: "requested" } }, subject: peer_id, surface: "hosted" })))
  }), (exit) => {
    // the log may not answer; the tenant store's word is enough to keep it out
    if (Exit.isFailure(exit)) kernel.trace.note(at.name, "revoke: not answered")
  })
}

const patienceMillis = 5000

/** A machine registers again, over HTTP: with any hosted process, or none that answers. */
export const renewal = (world: World, local: Local): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    const { kernel, weather } = world
    const { process } = local
    const at = kernel.dice.pick(world.hosted)
    if (process === undefined) return false
    const now = kernel.now + local.skew
    const session = createSessionToken({
      session_id: `sess_${world.newId()}`, local_backend_id: local.who.self.identity.backend_id, hosted_backend_id: hosted.self.identity.backend_id, user_id: local.tenant.record.user_id,
      created_at: isoTime(now), expires_at: isoTime(now + Duration.toMillis(tokenLifeMax))
    }, local.secret)
    const coming = local.prepared ?? local.who
    const proof = yield* coming.self.sign("identity", canonicalJson({ identity: coming.self.identity, challenge: session.signature }))
    const body = { backend_identity: coming.self.identity, sbt: encodeBearer(session), proof }
    const asked = Effect.callback<Answered>((resume) => {
      kernel.after(weather.latency(), () => {
        if (at.parts === undefined || at.process === undefined || weather.lost()) return
        at.process.run(registerOnHosted(registrarOf(at, at.parts), body), (exit) => {
          kernel.trace.note(at.name, `${local.name} ${Exit.isSuccess(exit) ? exit.value.status : "was not registered"}`)
          if (!weather.lost()) kernel.after(weather.latency(), () => process.post(() => resume(Effect.succeed(answerOf(exit)))))
        })
      })
    })
    const answer = yield* Effect.raceFirst(asked, Effect.as(process.wait(patienceMillis), "silent" as const))
    // what `registerAgain` makes of it; another crash may have come before it was kept
    if (coming === local.prepared && answer !== "silent" && answer !== "refused") {
      local.prepared = undefined
      if (answer === "taken") {
        local.who = coming
        kernel.trace.note(local.name, "keys rotated")
      }
    }
    return answer === "taken"
  })

/** `other key`: hosted will not have this one. */
type Answered = "taken" | "other key" | "refused" | "silent"
const answerOf = (exit: Exit.Exit<unknown, RegistrationRefused>): Answered => {
  if (Exit.isSuccess(exit)) return "taken"
  return Option.getOrUndefined(Cause.findErrorOption(exit.cause))?.status === 409 ? "other key" : "refused"
}

const tryAgainMillis = 10_000

/** A person asks for new keys: made and kept, registered with the old key's word for them, and asked for until hosted has answered. */
export const rotate = (world: World, local: Local): void => {
  if (local.revoking || local.rotated) return
  local.rotated = true
  local.prepared = handedOver(local.number, local.machine.peer, world.kernel.now + local.skew)
  world.kernel.trace.note(local.name, "keys prepared")
  const ask = () => {
    if (local.prepared === undefined || local.revoking) return
    local.process?.run(renewal(world, local), () => {})
    world.kernel.after(tryAgainMillis, ask)
  }
  ask()
}

const codeLifeMillis = 600_000

/** A person brings another machine: a code from one hosted process, used at whichever answers, until one has let it in. */
export const join = (world: World, tenant: Tenant): void => {
  const { kernel, weather } = world
  if (world.joining !== "nobody") return
  world.joining = "on its way"
  const { self } = whoIs(newcomer)
  let secret: Uint8Array | undefined
  const enrol = (at: Hosted, parts: NonNullable<Hosted["parts"]>) => {
    const made = new Uint8Array(32).map(() => kernel.dice.below(256))
    const code = { secret: toBase64url(made), expires_at: isoTime(kernel.now + codeLifeMillis) }
    at.process!.run(parts.tenants.update(tenant.id, (held) => Result.succeed({ ...held, pending: [...held.pending, code] })), (exit) => {
      if (Exit.isSuccess(exit)) secret = made
    })
  }
  const register = (at: Hosted, parts: NonNullable<Hosted["parts"]>, held: Uint8Array) => {
    const session = createSessionToken({
      session_id: `sess_${world.newId()}`, local_backend_id: self.identity.backend_id, hosted_backend_id: hosted.self.identity.backend_id, user_id: tenant.record.user_id,
      created_at: isoTime(kernel.now), expires_at: isoTime(kernel.now + Duration.toMillis(tokenLifeMax))
    }, held)
    const proof = Effect.runSync(self.sign("identity", canonicalJson({ identity: self.identity, challenge: session.signature })))
    at.process!.run(registerOnHosted(registrarOf(at, parts), { backend_identity: self.identity, sbt: encodeBearer(session), proof }), (exit) => {
      if (world.joining !== "on its way" || weather.lost()) return
      if (Exit.isFailure(exit)) {
        // used by nobody else, so its time is over, or this process has not heard of it
        if (answerOf(exit) === "refused") secret = undefined
        return
      }
      kernel.trace.note(at.name, `a machine ${exit.value.status}`)
      world.joining = "joined"
      world.bring(tenant, parts.logIdentity(tenant.id), held)
    })
  }
  const ask = () => {
    if (world.joining !== "on its way") return
    const at = kernel.dice.pick(world.hosted)
    if (at.parts !== undefined && at.process !== undefined && !weather.lost()) {
      if (secret === undefined) enrol(at, at.parts)
      else register(at, at.parts, secret)
    }
    kernel.after(secret === undefined ? 500 : tryAgainMillis, ask)
  }
  ask()
}

const registrarOf = (at: Hosted, parts: NonNullable<Hosted["parts"]>): RegistrarContext => ({
  ...parts,
  identity: hosted.self,
  dataKey: parts.keyring.current,
  publicUrl: `https://${at.name}.example`,
  sessionMax: tokenLifeMax,
  leafUrls: [],
  logOf: () => "LOG",
  // a renewal of a leaf's own token is nats-server's matter
  issueLeaf: () => Effect.succeed(""),
  ensureConsumer: () => Effect.void
})
