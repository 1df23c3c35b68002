// Goal: a renewed certificate of the routes between a cluster's servers is taken up without a restart, under the routes that stand.
// Method: two real servers of one hub; one's certificate is replaced by another of the same authority, as `keepCertificates` sees it.
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { connect as connectTls } from "node:tls"
import { isDeepStrictEqual } from "node:util"
import { keepCertificates } from "../../src/hosted/Hub.ts"
import { renderHubConfig } from "../../src/nats/hubConfig.ts"
import { makeHubSecrets } from "../../src/nats/hubSecrets.ts"
import { startServer } from "../../src/nats/ServerProcess.ts"
import { issueCertificate, makeAuthority } from "../../src/security/certificates.ts"
import { binary, temporaryFolder, until } from "../support/hubRig.ts"
import { freePort } from "../support/natsServer.ts"

const day = 86_400_000

/** The serial number of the certificate a route is shown. Routes begin with the handshake. */
const shownAt = (port: number, ca: string) =>
  Effect.promise(() => new Promise<string>((done) => {
    const secure = connectTls({ host: "127.0.0.1", port, ca }, () => {
      done(secure.getPeerCertificate().serialNumber)
      secure.destroy()
    })
    secure.once("error", (error) => done(error.message))
  }))

/** The routes of a server to others, by its own numbers for them. */
const routesAt = (monitorPort: number) =>
  Effect.promise(async () => {
    const { routes } = await (await fetch(`http://127.0.0.1:${monitorPort}/routez`)).json() as { readonly routes?: ReadonlyArray<{ readonly rid: number }> | null }
    return (routes ?? []).map(({ rid }) => rid).toSorted((a, b) => a - b)
  })

it.live("the routes of a cluster take up a renewed certificate, and stand meanwhile", () =>
  Effect.gen(function*() {
    const dir = yield* temporaryFolder
    const secrets = yield* makeHubSecrets
    const { authority, cert: ca } = makeAuthority("maestra cluster", [Date.now() - day, Date.now() + day])
    const ports = [yield* freePort, yield* freePort]
    const start = (name: string, port: number) =>
      Effect.gen(function*() {
        const own = join(dir, name)
        mkdirSync(own)
        const monitorPort = yield* freePort
        const tls = { certFile: join(own, "route.pem"), keyFile: join(own, "route.key"), caFile: join(own, "ca.pem") }
        const renew = () => {
          const { cert, key } = issueCertificate(authority, ["127.0.0.1"], [Date.now() - day, Date.now() + day])
          writeFileSync(tls.keyFile, key)
          writeFileSync(tls.certFile, cert)
        }
        writeFileSync(tls.caFile, ca)
        renew()
        const text = yield* Effect.orDie(renderHubConfig(secrets, {
          serverName: name, client: { port: -1 }, leaf: { port: -1 }, monitorPort, storeDir: join(own, "store"), jwtDir: join(own, "jwt"),
          cluster: { listen: { port }, routes: ports.map((one) => `nats-route://127.0.0.1:${one}`), tls, zone: name }
        }))
        writeFileSync(join(own, "nats.conf"), text)
        const server = yield* startServer({ binary: yield* binary, configFile: join(own, "nats.conf"), runDir: own })
        return { renew, server, tls, routes: routesAt(monitorPort) }
      })
    const [one] = yield* Effect.all([start("hub-1", ports[0]!), start("hub-2", ports[1]!)], { concurrency: 2 })
    const before = yield* shownAt(ports[0]!, ca)
    assert.match(before, /^[0-9A-F]+$/)
    yield* Effect.forkScoped(keepCertificates(one!.server, one!.tls))
    let standing: ReadonlyArray<number> = []
    // servers that both dialled keep one of the two; and the present certificate is read before another comes
    yield* until("routes that stay", Effect.gen(function*() {
      standing = yield* one!.routes
      yield* Effect.sleep("1 second")
      return standing.length > 0 && isDeepStrictEqual(yield* one!.routes, standing)
    }))
    one!.renew()
    yield* until("another certificate", Effect.map(shownAt(ports[0]!, ca), (serial) => serial !== before && /^[0-9A-F]+$/.test(serial)))
    assert.includeMembers([...yield* one!.routes], [...standing])
  }).pipe(Effect.scoped))
