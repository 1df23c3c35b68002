// Goal: what infra/kubernetes says is what the hub and the hosted processes need, and a nats-server takes it.
// Method: values held to what the chart knows, turned into the configuration they amount to, read by a real server; manifests field by field;
// the admin role's own commands, and what README.md does with what they make.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { parse } from "effect/encoding/Yaml"
import { execFileSync, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { layoutAcross } from "../../src/hosted/cluster/layout.ts"
import { watchText } from "../../src/hosted/cluster/watchDisk.ts"
import { makeHubSecrets } from "../../src/nats/hubSecrets.ts"
import { serverVersionMin } from "../../src/nats/serverVersion.ts"
import { accountValues, at, merged, natsConfOf, unknownSettings, type Values } from "../support/natsChart.ts"
import { unknownFields, unknownInContainer, unknownInVolume } from "../support/kubernetes.ts"
import { findBinary } from "../support/natsServer.ts"
import { runCli } from "../support/runCli.ts"

const folder = new URL("../../infra/kubernetes/", import.meta.url)
const read = (name: string) => readFileSync(new URL(name, folder), "utf8")
const values = parse(read("nats-values.yaml")) as Values
const manifests = ["admin.yaml", "hosted.yaml"].flatMap((name) => read(name).split(/^---$/m)).map((text) => parse(text) as Values)
const manifest = (kind: string, name: string): Values => {
  const found = manifests.filter((one) => one["kind"] === kind && at(one, "metadata")["name"] === name)
  assert.lengthOf(found, 1, `${kind} ${name}`)
  return found[0]!
}
const list = (held: Values, key: string): ReadonlyArray<Values> => (held[key] ?? []) as ReadonlyArray<Values>
const argsOf = (container: Values) => container["args"] as ReadonlyArray<string>
const podOf = (kind: string, name: string) => at(manifest(kind, name), "spec", "template", "spec")
/** Of a pod of ours: secrets come as files, by paths that are mounted, and all it mounts is there. */
const secretsAreFiles = (pod: Values, container: Values, claimed: ReadonlyArray<unknown> = []) => {
  const mounts = list(container, "volumeMounts")
  const paths = mounts.map(({ mountPath }) => String(mountPath))
  for (const { name, value } of list(container, "env")) {
    assert.notMatch(String(name), /(KEY|PASSPHRASE|TOKEN)$/)
    if (String(value).startsWith("/")) assert.isTrue(paths.some((path) => String(value).startsWith(path)), String(name))
  }
  assert.deepStrictEqual(mounts.map(({ name }) => name).toSorted(), [...list(pod, "volumes").map(({ name }) => name), ...claimed].toSorted())
}
const confined = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } }
const mayDoOnlyWhatItNeeds = (pod: Values, containers: ReadonlyArray<Values>) => {
  assert.deepInclude(at(pod, "securityContext"), { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } })
  for (const container of containers) assert.deepStrictEqual(at(container, "securityContext"), confined)
  assert.strictEqual(pod["automountServiceAccountToken"], false)
}

describe("the manifests", () => {
  it.each(manifests.map((one) => [`${String(one["kind"])} ${String(at(one, "metadata")["name"])}`, one] as const))("%s has the fields Kubernetes has", (_, one) => {
    assert.deepStrictEqual(unknownFields(one), [])
  })

  it("would be found wrong", () => {
    const set = manifest("StatefulSet", "maestra-admin")
    assert.deepStrictEqual(unknownFields(merged(set, { apiVersion: "apps/v2", spec: { replica: 1, template: { spec: { initContainers: [{ arg: ["x"] }], volumes: [{ name: { of: "x" } }] } } } })),
      ["apiVersion", "spec.template.spec.initContainers.0.arg", "spec.template.spec.volumes.0.name", "spec.replica"])
    assert.deepStrictEqual(unknownFields({ kind: "Pod" }), ["kind"])
  })
})

describe("the NATS chart's values", () => {
  let place: { readonly certificates: string; readonly data: string }
  let accounts: Values
  beforeAll(async () => {
    const top = mkdtempSync(join(tmpdir(), "maestra-chart-"))
    place = { certificates: join(top, "tls"), data: join(top, "data") }
    mkdirSync(place.certificates)
    mkdirSync(place.data)
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=nats", "-keyout", "tls.key", "-out", "tls.crt"], { cwd: place.certificates, stdio: "ignore" })
    writeFileSync(join(place.certificates, "ca.crt"), readFileSync(join(place.certificates, "tls.crt")))
    accounts = await Effect.runPromise(Effect.flatMap(makeHubSecrets, accountValues))
  })
  afterAll(() => rmSync(join(place.data, ".."), { recursive: true }))

  const check = async (given: Values) => {
    const file = join(place.data, "..", "nats.conf")
    writeFileSync(file, natsConfOf(merged(given, accounts), place))
    const { status, stderr } = spawnSync(await Effect.runPromise(findBinary), ["-t", "-c", file], { encoding: "utf8" })
    return { status, stderr }
  }

  it("are settings the chart has", () => {
    assert.deepStrictEqual(unknownSettings(values), [])
    assert.deepStrictEqual(unknownSettings({ config: { jetStream: { enabled: true }, cluster: { replicas: { of: 3 } } } }), ["config.jetStream", "config.cluster.replicas"])
  })

  it("amount to a configuration that a nats-server takes", async () => {
    const { status, stderr } = await check(values)
    assert.strictEqual(status, 0, stderr)
  })

  it.each([
    ["an unknown field", { config: { merge: { max_payloads: 1 } } }, /max_payloads/],
    ["a sync interval that is none", { config: { jetstream: { merge: { sync_interval: "often" } } } }, /sync_interval|duration/]
  ])("or it says so: %s", async (_, wrong, why) => {
    const { status, stderr } = await check(merged(values, wrong))
    assert.notStrictEqual(status, 0)
    assert.match(stderr, why)
  })

  it("lose no acknowledged write, and no server alone", () => {
    assert.strictEqual(at(values, "config", "cluster")["replicas"], 3)
    assert.deepStrictEqual(at(values, "config", "jetstream", "merge"), { domain: "hub", sync_interval: "always", limits: { default_max_consumers: -1 } })
    assert.strictEqual(at(values, "config", "jetstream", "fileStore", "pvc")["enabled"], true)
    assert.strictEqual(at(values, "podDisruptionBudget")["enabled"], true)
    assert.strictEqual(at(values, "podTemplate", "topologySpreadConstraints", "kubernetes.io/hostname")["whenUnsatisfiable"], "DoNotSchedule")
    assert.strictEqual(String(at(values, "container", "image")["tag"]).split("-")[0], serverVersionMin)
  })

  it("leave no listener in the clear, and keep the full resolver on disk", () => {
    for (const name of ["cluster", "nats", "leafnodes", "websocket"]) assert.strictEqual(at(values, "config", name, "tls")["enabled"], true, name)
    assert.strictEqual(at(values, "config", "cluster", "tls", "merge")["verify"], true)
    assert.strictEqual(at(values, "config", "resolver")["enabled"], true)
    assert.strictEqual(at(values, "config", "resolver", "merge")["type"], "full")
  })
})

describe("what watches a server's disk", () => {
  const patches = list(at(values, "podTemplate"), "patch")
  const added = (path: string) => patches.filter((patch) => patch["op"] === "add" && patch["path"] === path).map((patch) => at(patch, "value"))
  const [sidecar] = added("/spec/containers/-")
  const mounts = list(sidecar!, "volumeMounts")
  const place = mkdtempSync(join(tmpdir(), "maestra-disk-"))
  afterAll(() => rmSync(place, { recursive: true }))
  const layout = layoutAcross(8, ["nats-0.nats-headless", "nats-1.nats-headless", "nats-2.nats-headless"])

  it("is one container in the server's pod, and nothing else is patched", () => {
    assert.strictEqual(added("/spec/containers/-").length + added("/spec/volumes/-").length, patches.length)
    assert.lengthOf(added("/spec/containers/-"), 1)
    assert.deepStrictEqual([...unknownInContainer(sidecar!), ...added("/spec/volumes/-").flatMap(unknownInVolume)], [])
    assert.strictEqual(sidecar!["image"], list(at(manifest("Deployment", "maestra-hosted"), "spec", "template", "spec"), "containers")[0]!["image"])
  })

  it("finds each server's credential and its disk where they are mounted", () => {
    const folder = String((sidecar!["args"] as ReadonlyArray<string>).at(-1))
    assert.deepInclude(mounts, { name: "maestra-disk", mountPath: folder, subPathExpr: "$(POD_NAME)", readOnly: true })
    assert.deepStrictEqual(list(sidecar!, "env").find(({ name }) => name === "POD_NAME"), { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } })
    const items = list(at(added("/spec/volumes/-").find(({ name }) => name === "maestra-disk")!, "secret"), "items")
    assert.deepStrictEqual(items, layout.servers.flatMap(({ name }, pod) => ["json", "creds"].map((kind) => ({ key: `${name}.${kind}`, path: `nats-${pod}/disk.${kind}` }))))
    for (const server of layout.servers) {
      const watch = JSON.parse(watchText(layout, "", server)) as { readonly folder: string }
      assert.deepInclude(mounts, { name: "nats-js", mountPath: watch.folder, readOnly: true })
    }
    const volumes = new Set([...added("/spec/volumes/-").map(({ name }) => name), "nats-js"])
    for (const { name } of mounts) assert.isTrue(volumes.has(name!), String(name))
    assert.isTrue(mounts.some(({ mountPath }) => String(list(sidecar!, "env").find(({ name }) => name === "NODE_EXTRA_CA_CERTS")?.["value"]).startsWith(String(mountPath))))
  })

  it("may do only what it needs", () => {
    assert.deepStrictEqual(at(sidecar!, "securityContext"), confined)
    assert.isTrue(mounts.every(({ readOnly }) => readOnly === true))
  })

  it("is a command line that is understood", async () => {
    const told = await runCli([...(sidecar!["args"] as ReadonlyArray<string>).slice(0, -1), place], { dataDir: place })
    assert.deepStrictEqual([told.code, /disk\.json cannot be read/.test(told.stderr)], [1, true], told.stderr)
  })
})

describe("the admin role", () => {
  const set = manifest("StatefulSet", "maestra-admin")
  const pod = podOf("StatefulSet", "maestra-admin")
  const [makes] = list(pod, "initContainers")
  const [admin] = list(pod, "containers")
  const home = mkdtempSync(join(tmpdir(), "maestra-admin-"))
  const cluster = join(home, "cluster")
  const env = { MAESTRA_MASTER_KEY: randomBytes(32).toString("base64url") }
  afterAll(() => rmSync(home, { recursive: true }))

  it("runs once, with its keys on a volume nobody else has, and the hosted processes' image", () => {
    assert.strictEqual(at(set, "spec")["replicas"], 1)
    const claims = list(at(set, "spec"), "volumeClaimTemplates")
    for (const claim of claims) assert.deepStrictEqual(at(claim, "spec")["accessModes"], ["ReadWriteOncePod"])
    assert.deepStrictEqual(at(set, "spec", "selector", "matchLabels"), at(set, "spec", "template", "metadata", "labels"))
    const image = list(podOf("Deployment", "maestra-hosted"), "containers")[0]!["image"]
    for (const container of [makes!, admin!]) {
      assert.strictEqual(container["image"], image)
      secretsAreFiles(pod, container, claims.map((claim) => at(claim, "metadata")["name"]))
    }
    mayDoOnlyWhatItNeeds(pod, [makes!, admin!])
  })

  it("makes the deployment for the servers of the chart, and at a later start leaves it as it is", async () => {
    const made = await runCli(argsOf(makes!), { dataDir: home, env })
    assert.strictEqual(made.code, 0, made.stderr)
    const layout = readFileSync(join(cluster, "layout.json"), "utf8")
    const servers = (JSON.parse(layout) as { readonly servers: ReadonlyArray<{ readonly host: string }> }).servers
    assert.deepStrictEqual(servers.map(({ host }) => host), [0, 1, 2].map((n) => `nats-${n}.nats-headless`))
    const keys = readFileSync(join(cluster, "keys.json"))
    assert.strictEqual((await runCli(argsOf(makes!), { dataDir: home, env })).code, 0)
    assert.strictEqual(readFileSync(join(cluster, "layout.json"), "utf8"), layout)
    assert.isTrue(readFileSync(join(cluster, "keys.json")).equals(keys))
  })

  it("gives the others what README.md takes of it: accounts that a server accepts, and no key", async () => {
    const step = /^ *(\(echo 'config:'.*> accounts\.yaml)$/m.exec(read("README.md"))![1]!
    execFileSync("sh", ["-c", step], { cwd: cluster })
    const accounts = parse(readFileSync(join(cluster, "accounts.yaml"), "utf8")) as Values
    assert.deepStrictEqual(unknownSettings(accounts), [])
    const config = at(accounts, "config", "merge")
    assert.deepStrictEqual([typeof config["operator"], Object.keys(at(config, "resolver_preload")).length], ["string", 3])
    assert.include(Object.keys(at(config, "resolver_preload")), config["system_account"] as string)
    const place = { certificates: home, data: join(home, "store") }
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=nats", "-keyout", "tls.key", "-out", "tls.crt"], { cwd: home, stdio: "ignore" })
    writeFileSync(join(home, "ca.crt"), readFileSync(join(home, "tls.crt")))
    writeFileSync(join(home, "nats.conf"), natsConfOf(merged(values, accounts), place))
    const { status, stderr } = spawnSync(await Effect.runPromise(findBinary), ["-t", "-c", join(home, "nats.conf")], { encoding: "utf8" })
    assert.strictEqual(status, 0, stderr)
    for (const [, file] of read("README.md").matchAll(/=hub-\$n\/([\w.]+)/g)) for (const n of [1, 2, 3]) assert.isAbove(readFileSync(join(cluster, `hub-${n}`, file!)).length, 0)
    assert.notMatch(readFileSync(join(cluster, "accounts.yaml"), "utf8") + readFileSync(join(cluster, "cluster.json"), "utf8"), /S[OAU][A-Z2-7]{50}/)
  })

  it("is a command line that is understood", async () => {
    const told = await runCli(argsOf(admin!), { dataDir: join(home, "elsewhere"), env })
    assert.deepStrictEqual([told.code, /there is no cluster in/.test(told.stderr)], [1, true], told.stderr)
  })
})

describe("the hosted processes", () => {
  const deployment = () => manifest("Deployment", "maestra-hosted")
  const pod = () => podOf("Deployment", "maestra-hosted")
  const container = () => list(pod(), "containers")[0]!

  it("are two, and one stays while the other moves", () => {
    assert.strictEqual(at(deployment(), "spec")["replicas"], 2)
    assert.strictEqual(at(manifest("PodDisruptionBudget", "maestra-hosted"), "spec")["minAvailable"], 1)
    assert.strictEqual(at(deployment(), "spec", "strategy", "rollingUpdate")["maxUnavailable"], 0)
  })

  it("are asked for their health where they listen", () => {
    const port = list(container(), "ports")[0]!
    for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) assert.deepStrictEqual(at(container(), probe, "httpGet"), { path: "/health", port: port["name"]! })
    const env = list(container(), "env")
    assert.strictEqual(env.find(({ name }) => name === "MAESTRA_HOSTED_PORT")?.["value"], String(port["containerPort"]))
  })

  it("get secrets as files, and what they join by among them", () => {
    secretsAreFiles(pod(), container())
    assert.strictEqual(argsOf(container()).at(-1), "/run/secrets/maestra-cluster/cluster.json")
    assert.strictEqual(list(container(), "env").find(({ name }) => name === "MAESTRA_MASTER_KEY_FILE")?.["value"], "/run/secrets/maestra-master-key/master-key")
  })

  it("may do only what they need", () => mayDoOnlyWhatItNeeds(pod(), [container()]))

  it("are alone with the hub's clients' port; only leafs come in from outside", () => {
    const ingress = list(at(manifest("NetworkPolicy", "maestra-hub"), "spec"), "ingress")
    const open = ingress.filter((rule) => rule["from"] === undefined).flatMap((rule) => list(rule, "ports").map(({ port }) => port))
    assert.deepStrictEqual(open, ["leafnodes", "websocket"])
    const [clients] = ingress.filter((rule) => list(rule, "ports").some(({ port }) => port === "nats"))
    // the last for what watches the disks, in the servers' own pods
    assert.deepStrictEqual(list(clients!, "from").map((from) => at(from, "podSelector", "matchLabels")["app.kubernetes.io/name"]), ["maestra-hosted", "maestra-admin", "nats"])
    assert.deepStrictEqual(list(at(manifest("Service", "maestra-leaf"), "spec"), "ports").map(({ targetPort }) => targetPort), ["leafnodes", "websocket"])
  })
})
