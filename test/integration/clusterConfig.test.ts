// Goal: nats-server takes every configuration a cluster is given, here and across machines, and each holds what it must.
// Method: written as `init` writes them and read by the server's own check; the placeholders of infra/cluster filled in.
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { execFile } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { layoutHere, logsIn, serverOptions } from "../../src/hosted/cluster/layout.ts"
import { renderAccounts, renderServerConfig } from "../../src/nats/hubConfig.ts"
import { makeHubSecrets } from "../../src/nats/hubSecrets.ts"
import { clusterCertificates } from "../../src/security/certificates.ts"
import { binary, temporaryFolder } from "../support/hubRig.ts"

/** What the server says of a configuration it only reads. */
const check = (server: string, file: string) =>
  Effect.promise(() => new Promise<string>((resolve) => void execFile(server, ["-t", "-c", file], (_error, out, err) => resolve(out + err))))

const now = Date.parse("2026-11-22T10:00:00.000Z")
const layout = layoutHere(8, [4301, 4302, 4303, 4304, 4305, 4306, 4307, 4308, 4309])

/** A server's folder with everything its configuration names. */
const folder = (dir: string, name: string, text: string) =>
  Effect.gen(function*() {
    const own = join(dir, name)
    mkdirSync(own, { recursive: true })
    const { ca, servers } = clusterCertificates([["127.0.0.1"]], now)
    const { cert, key } = servers[0]!
    const files = { "nats.conf": text, "accounts.conf": yield* renderAccounts(yield* makeHubSecrets, { logs: logsIn(layout) }), "route-ca.pem": ca, "route.pem": cert, "route.key": key, "tls.crt": cert, "tls.key": key }
    for (const [file, content] of Object.entries(files)) writeFileSync(join(own, file), content, { mode: 0o600 })
    return join(own, "nats.conf")
  })

layer(Layer.empty, { excludeTestServices: true })("nats-server takes", (it) => {
  it.effect.each([...layout.servers])("$name of three on this machine", (server) =>
    Effect.gen(function*() {
      const dir = yield* temporaryFolder
      const text = yield* renderServerConfig(serverOptions(layout, dir, server))
      for (const line of ["sync_interval: always", "verify: true", `server_tags: ["zone:${server.name}"]`, `unique_tag: "zone:"`, "domain: hub", "type: full"]) assert.include(text, line)
      assert.notMatch(text, /0\.0\.0\.0|S[OAU][A-Z2-7]{50}/)
      assert.include(yield* check(yield* binary, yield* folder(dir, server.name, text)), "is valid")
    }))

  it.effect.each(["hub-1", "hub-2", "hub-3"])("infra/cluster/%s.conf", (name) =>
    Effect.gen(function*() {
      const dir = yield* temporaryFolder
      const committed = readFileSync(new URL(`../../infra/cluster/${name}.conf`, import.meta.url), "utf8")
      const text = committed.replaceAll("/run/credentials/maestra-hub.service", join(dir, name)).replaceAll("/var/lib/maestra-hub", join(dir, name))
      assert.include(yield* check(yield* binary, yield* folder(dir, name, text)), "is valid")
    }))
})
