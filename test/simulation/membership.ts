import { Duration, Effect, Exit, Result } from "effect"
import type { Draft } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import { goingWith, goneWith, shutOut } from "../../src/hosted/control.ts"
import { registerOnHosted, type RegistrarContext } from "../../src/hosted/HostedRegistrar.ts"
import { canonicalJson } from "../../src/security/canonical.ts"
import { fromBase64url } from "../../src/security/digest.ts"
import { createSessionToken, encodeBearer, tokenLifeMax } from "../../src/security/sessionToken.ts"
import type { Hosted } from "./hosted.ts"
import { hosted, type Tenant } from "./identities.ts"
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
    }, secretOf(local.tenant, local))
    const proof = yield* local.who.self.sign("identity", canonicalJson({ identity: local.who.self.identity, challenge: session.signature }))
    const body = { backend_identity: local.who.self.identity, sbt: encodeBearer(session), proof }
    const asked = Effect.callback<boolean>((resume) => {
      kernel.after(weather.latency(), () => {
        if (at.parts === undefined || at.process === undefined || weather.lost()) return
        at.process.run(registerOnHosted(registrarOf(at, at.parts), body), (exit) => {
          kernel.trace.note(at.name, `${local.name} ${Exit.isSuccess(exit) ? exit.value.status : "was not registered"}`)
          if (!weather.lost()) kernel.after(weather.latency(), () => process.post(() => resume(Effect.succeed(Exit.isSuccess(exit)))))
        })
      })
    })
    return yield* Effect.raceFirst(asked, Effect.as(process.wait(patienceMillis), false))
  })

const secretOf = (tenant: Tenant, local: Local): Uint8Array =>
  fromBase64url(tenant.record.devices.find(({ peer_id }) => peer_id === local.machine.peer)!.secret)!

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
