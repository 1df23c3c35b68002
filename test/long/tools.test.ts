// Goal: a tool hears what happens to its tenant, keeps its place, and can do nothing else; `subscribe --durable` goes on where it stopped.
// Method: a real hub; a plain NATS client with granted credentials tries everything else there is to try.
import { type Authenticator, connect, credsAuthenticator, headers, type NatsConnection, nkeyAuthenticator } from "@nats-io/transport-node"
import { Result } from "effect"
import { spawn } from "node:child_process"
import { existsSync, readFileSync, statSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { fromBase64url } from "../../src/security/digest.ts"
import { openEnvelope } from "../../src/security/envelopes.ts"
import { dataKey } from "../../src/security/sealing.ts"
import { decode } from "../../streams/Envelope.ts"
import { subjects } from "../../streams/subjects.ts"
import { callJetStream } from "../support/faults/jetstream.ts"
import { enrol, makeRawPeer, registerRaw, tokenFor } from "../support/rawPeer.ts"
import { type Backend, maestra, makeWorld, until, type World } from "../support/world.ts"

const timeout = 60_000

interface Granted {
  readonly servers: Array<string>
  readonly subject: string
  readonly consumer: string
  readonly inbox_prefix: string
  readonly creds_file: string
  readonly keys_file: string
}

let world: World
let hosted: Backend
let tenant: string
let other: string
const open: Array<NatsConnection> = []

const register = async (user: string, machine: string) => {
  const code = await enrol(hosted, user)
  const peer = await makeRawPeer(machine)
  const { text } = await registerRaw(hosted, peer, await tokenFor(hosted, peer, code))
  if (!text.includes("peer_id")) throw new Error(text)
  return code.tenant
}

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted()
  tenant = await register("ada", "ada-1")
  other = await register("bob", "bob-1")
})
afterAll(async () => {
  await Promise.all(open.map((each) => each.close()))
  await world.close()
})

const grant = async (name: string) => {
  const { code, err, out } = await hosted.cli("tools", "grant", name, "--tenant", tenant, "--json")
  if (code !== 0) throw new Error(err)
  return JSON.parse(out) as Granted
}

/** A tool as docs/OPERATIONS.md describes it: it answers flow control with the place up to which it heard. */
const tool = async (granted: Granted, authenticator: Authenticator = credsAuthenticator(readFileSync(granted.creds_file))) => {
  const nats = await connect({ servers: granted.servers, authenticator, inboxPrefix: granted.inbox_prefix, noAsyncTraces: true })
  open.push(nats)
  const refused: Array<string> = []
  void (async () => { for await (const each of nats.status()) if (each.type === "error") refused.push(String(each.error)) })()
  const heard: Array<{ readonly subject: string; readonly data: Uint8Array }> = []
  const place = headers()
  nats.subscribe(granted.subject, {
    callback: (error, message) => {
      if (error !== null) return
      if (message.headers?.code === 100) {
        const asked = message.reply === undefined || message.reply === "" ? message.headers.get("Nats-Consumer-Stalled") : message.reply
        if (asked !== "") nats.publish(asked, undefined, { headers: place })
      } else {
        // $JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>
        const [, , , , , inStream, inConsumer] = message.reply!.split(".")
        place.set("Nats-Last-Stream", inStream!)
        place.set("Nats-Last-Consumer", inConsumer!)
        heard.push({ subject: message.subject, data: message.data })
      }
    }
  })
  return { nats, heard, refused }
}

describe("tools", () => {
  it("hear their tenant's events and can open them; secrets are in files of this user alone, not on the screen", { timeout }, async () => {
    const granted = await grant("warehouse")
    expect(JSON.stringify(granted)).not.toMatch(/PRIVATE|SEED|"k":/)
    for (const file of [granted.creds_file, granted.keys_file]) expect(statSync(file).mode & 0o777).toBe(0o600)
    const { heard } = await tool(granted)
    await until(() => heard.length >= 2, 10_000, () => `heard ${heard.length}`)
    const { keys } = JSON.parse(readFileSync(granted.keys_file, "utf8")) as { readonly keys: ReadonlyArray<{ readonly kid: string; readonly k: string }> }
    const envelope = Result.getOrThrow(decode(heard[0]!.data))
    const opened = openEnvelope(envelope, (kid) => keys.filter((key) => key.kid === kid).map(({ k }) => dataKey(kid, fromBase64url(k)!))[0])
    expect(Result.isSuccess(opened) && opened.success.fact.type).toBe("peer.registered")
    expect(heard.every(({ data }) => !Buffer.from(data).toString().includes(other))).toBe(true)
    const before = heard.length
    await register("ada", "ada-2")
    await until(() => heard.length > before, 10_000)
    await register("bob", "bob-2")
    await register("ada", "ada-3")
    await until(() => heard.length >= before + 4, 10_000)
    expect(heard.length).toBe(before + 4)
  })

  it("can do nothing else: not read, write, manage, answer for others, or hear them", { timeout }, async () => {
    const granted = await grant("curious")
    const { nats, refused } = await tool(granted)
    const asked = ["$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.LOG", "$JS.API.STREAM.MSG.GET.LOG", "$JS.API.DIRECT.GET.LOG", `$JS.API.CONSUMER.CREATE.LOG.mine`, `$JS.API.CONSUMER.INFO.LOG.${granted.consumer}`,
      `$JS.API.CONSUMER.MSG.NEXT.LOG.${granted.consumer}`, `$JS.API.CONSUMER.DELETE.LOG.${granted.consumer}`, `store.CONSUMER.RESET.LOG.${granted.consumer}`, "store.STREAM.INFO.LOG", "$JS.API.STREAM.PURGE.LOG", "$SYS.REQ.SERVER.PING",
      subjects.ingest(tenant, "peer_0123456789abcdef", "commit"), subjects.ingest(tenant, "peer_0123456789abcdef", "telemetry"), subjects.ingest(tenant, "peer_0123456789abcdef", "head")]
    const answers = await Promise.all(asked.map((subject) => nats.request(subject, "{}", { timeout: 1000 }).then(() => subject, () => undefined)))
    expect(answers.filter((answer) => answer !== undefined)).toEqual([])
    const written = [subjects.logConversation(tenant, "c"), subjects.logSettings(tenant), subjects.telemetry(tenant, "peer_0123456789abcdef", "x"), granted.subject, "$KV.TENANTS.x", "$JS.FC.LOG.peer-x.y", "$JS.ACK.LOG.x.1.1.1.1.1"]
    for (const subject of written) nats.publish(subject, "forged")
    const heard: Array<string> = []
    for (const subject of [">", subjects.logTenant(tenant), subjects.logTenant(other), "deliver.>", "_INBOX.>", "$SYS.>", "$JS.>"]) nats.subscribe(subject, { callback: (error, message) => void (error === null && heard.push(message.subject)) })
    await nats.flush()
    await until(() => refused.length >= 10, 10_000, () => refused.join("\n"))
    const log = () => hosted.http<{ readonly log: { readonly last_seq: number } }>("GET", "/status").then(({ json }) => json.log.last_seq)
    const before = await log()
    await register("bob", "bob-3")
    // an event and its record, and nothing a tool wrote
    expect(await log()).toBe(before + 2)
    expect(heard).toEqual([])
    // on the ports of leafs it is nobody: these are credentials of a client
    expect(readFileSync(granted.creds_file, "utf8")).not.toContain("LEAFNODE")
  })

  it("keep their place over a pause, and end when granted anew or revoked", { timeout }, async () => {
    const granted = await grant("pausing")
    const before = credsAuthenticator(readFileSync(granted.creds_file))
    const gone = await tool(granted)
    await until(() => gone.heard.length >= 2, 10_000)
    await gone.nats.close()
    await register("ada", "ada-away")
    const first = await tool(granted)
    // what happened meanwhile comes; what was not acknowledged before may come again
    await until(() => first.heard.some(({ data }) => !gone.heard.some((held) => Buffer.compare(held.data, data) === 0)), 10_000)
    const again = await grant("pausing")
    const count = first.heard.length
    const second = await tool(again)
    await register("ada", "ada-4")
    await until(() => second.heard.length >= count + 2, 10_000)
    expect(first.heard.length).toBe(count)
    // the credentials it had before open nothing any more
    await expect(tool(granted, before)).rejects.toThrow(/Authorization Violation/)
    expect((await hosted.cli("tools", "revoke", "pausing", "--tenant", tenant)).code).toBe(0)
    expect((await hosted.cli("tools", "revoke", "pausing", "--tenant", tenant)).code).not.toBe(0)
    const held = second.heard.length
    await register("ada", "ada-5")
    await until(() => second.nats.isClosed(), 30_000)
    expect(second.heard.length).toBe(held)
    expect((await hosted.cli("tools", "grant", "a-b", "--tenant", tenant)).code).not.toBe(0)
    expect((await hosted.cli("tools", "grant", "x", "--tenant", "t_aaaaaaaaaaaaaaaa")).code).not.toBe(0)
  })

  it("subscribe --durable goes on behind the last line that went out", { timeout }, async () => {
    const run = async (enough: (lines: ReadonlyArray<string>) => boolean): Promise<ReadonlyArray<string>> => {
      const child = spawn(maestra, ["subscribe", "--on", "hosted", "--tenant", tenant, "--durable", "loader", "--from", "start"], { env: { ...process.env, MAESTRA_DATA_DIR: hosted.home }, stdio: ["ignore", "pipe", "inherit"] })
      let out = ""
      child.stdout.on("data", (part: Buffer) => { out += part.toString() })
      const lines = () => out.split("\n").filter((line) => line !== "")
      try {
        await until(() => enough(lines()), 15_000, () => out)
        await until(() => existsSync(`${hosted.dir}/subscriptions/loader`), 5_000, () => "no place was kept")
      } finally {
        child.kill("SIGTERM")
        await new Promise((ended) => child.once("exit", ended))
      }
      return lines()
    }
    const ids = (lines: ReadonlyArray<string>) => lines.map((line) => (JSON.parse(line) as { readonly id: string }).id)
    const before = ids(await run((lines) => lines.length >= 3))
    await register("ada", "ada-6")
    const after = ids(await run((lines) => lines.some((line) => !before.includes((JSON.parse(line) as { readonly id: string }).id))))
    // at least once: a line may come again, and the first ones do not
    expect(after).not.toContain(before[0])
    expect(new Set([...before, ...after]).size).toBeGreaterThan(before.length)
  })
})

describe("tools on a local backend", () => {
  let local: Backend
  let tenantHere: string
  const byCommand = async (name: string) => {
    const { code, err, out } = await local.cli("tools", "grant", name, "--json")
    if (code !== 0) throw new Error(err)
    const granted = JSON.parse(out) as Granted & { readonly nkey_file: string }
    const seed = readFileSync(granted.nkey_file, "utf8").trim()
    return { granted, seed, as: nkeyAuthenticator(new TextEncoder().encode(seed)) }
  }
  /** The same without starting a program. */
  const at = async (name: string, days = 1) => {
    const { json: granted, text } = await local.http<Granted & { readonly nkey_seed?: string }>("POST", `/tools/${name}`, { days })
    if (granted.nkey_seed === undefined) throw new Error(text)
    return { granted, as: nkeyAuthenticator(new TextEncoder().encode(granted.nkey_seed)) }
  }
  const say = (id: string, ids: ReadonlyArray<string>) => Promise.all(ids.map((each) => local.http("POST", `/conversations/${id}/messages`, { id: each, role: "user", content: each })))
  const consumerOf = (granted: Granted) => callJetStream(world, local, `CONSUMER.INFO.MIRROR.${granted.consumer}`)
  const acknowledged = async (granted: Granted) => (JSON.parse(await consumerOf(granted)) as { readonly ack_floor: { readonly consumer_seq: number } }).ack_floor.consumer_seq

  beforeAll(async () => {
    local = await world.local("eve")
    expect((await local.cli("tools", "grant", "early")).err).toContain("not paired")
    tenantHere = await world.pair(hosted, local, "eve")
  }, timeout)

  it("hear what comes to its mirror, acknowledge it, and can open it", { timeout }, async () => {
    const { as, granted, seed } = await byCommand("reader")
    expect(JSON.stringify(granted)).not.toContain(seed)
    for (const file of [granted.nkey_file, granted.keys_file]) expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readFileSync(`${local.dir}/tools.json`, "utf8") + readFileSync(`${local.dir}/nats/infra/leaf/tools.conf`, "utf8") + local.log()).not.toContain(seed)
    const { heard } = await tool(granted, as)
    await say("c", ["m-1"])
    const { keys } = JSON.parse(readFileSync(granted.keys_file, "utf8")) as { readonly keys: ReadonlyArray<{ readonly kid: string; readonly k: string }> }
    const opened = () => heard.flatMap(({ data }) => {
      const envelope = decode(data)
      if (Result.isFailure(envelope)) return []
      const one = openEnvelope(envelope.success, (kid) => keys.filter((key) => key.kid === kid).map(({ k }) => dataKey(kid, fromBase64url(k)!))[0])
      return Result.isSuccess(one) ? [JSON.stringify(one.success.fact)] : []
    })
    await until(() => opened().some((fact) => fact.includes("m-1")), 15_000, () => opened().join("\n"))
    await until(async () => await acknowledged(granted) > 0, 15_000)
    // a mirror made anew has a new consumer, and the tool hears all of it again
    await callJetStream(world, local, "STREAM.DELETE.MIRROR")
    heard.length = 0
    await until(() => opened().some((fact) => fact.includes("m-1")), 30_000)
  })

  it("can do nothing else, and leave nothing to those before them", { timeout }, async () => {
    const { as, granted } = await at("curious")
    const { nats, refused } = await tool(granted, as)
    const asked = ["$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.MIRROR", "$JS.API.STREAM.MSG.GET.JOURNAL", "$JS.API.DIRECT.GET.MIRROR", "$JS.API.CONSUMER.CREATE.MIRROR.mine", `$JS.API.CONSUMER.DELETE.MIRROR.${granted.consumer}`, "$JS.API.STREAM.PURGE.JOURNAL", "$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.LEAFZ",
      "store.STREAM.INFO.LOG", subjects.ingest(tenantHere, "peer_0123456789abcdef", "head")]
    const answers = await Promise.all(asked.map((subject) => nats.request(subject, "{}", { timeout: 1000 }).then(() => subject, () => undefined)))
    expect(answers.filter((answer) => answer !== undefined)).toEqual([])
    const { as: others, granted: theirs } = await at("other")
    const other = await tool(theirs, others)
    const journal = async () => (await local.http<{ readonly journal_seq: number }>("GET", "/status")).json.journal_seq
    const before = await journal()
    await until(() => other.heard.length > 0, 10_000)
    const held = other.heard.length
    for (const subject of [subjects.journalConversation("c"), subjects.logConversation(tenantHere, "c"), subjects.telemetryOut("x"), theirs.subject, granted.subject, `$JS.FC.MIRROR.${theirs.consumer}.x`, "$JS.FC.JOURNAL.relay.x", "$JS.ACK.JOURNAL.relay.1.1.1.1.1"]) nats.publish(subject, "forged")
    const heard: Array<string> = []
    for (const subject of [">", "journal.>", "log.>", "tool.>", theirs.subject, "deliver.>", "_INBOX.>", "$SYS.>", "$JS.>"]) nats.subscribe(subject, { callback: (error, message) => void (error === null && heard.push(message.subject)) })
    await nats.flush()
    await until(() => refused.length >= asked.length + 8 + 9, 10_000, () => refused.join("\n"))
    expect([await journal(), other.heard.length, heard]).toEqual([before, held, []])
  })

  it("survive a restart with their place, and are cut off when revoked, granted anew, or their time is over", { timeout: 2 * timeout }, async () => {
    const { as, granted } = await at("lasting")
    const first = await tool(granted, as)
    await until(async () => await acknowledged(granted) > 0, 15_000)
    await first.nats.close()
    await local.stop()
    await local.start()
    // its server has another port now
    const port = (await at("another")).granted.servers
    const second = await tool({ ...granted, servers: port }, as)
    await say("c", ["m-2"])
    await until(() => second.heard.length >= 2, 15_000)
    expect(second.heard.some(({ data }) => Buffer.compare(data, first.heard[0]!.data) === 0)).toBe(false)
    const ended = second.nats.closed()
    expect((await local.cli("tools", "revoke", "lasting")).code).toBe(0)
    await expect(tool({ ...granted, servers: port }, as)).rejects.toThrow(/[Aa]uthorization/)
    expect((await local.http("DELETE", "/tools/lasting")).status).toBe(404)
    expect(await consumerOf(granted)).toContain("consumer not found")
    await ended
    const brief = await at("brief", 3 / 86_400)
    await until(() => tool(brief.granted, brief.as).then(() => false, () => true), 15_000)
    expect((await local.http("POST", "/tools/a-b", {})).status).toBe(400)
  })
})
