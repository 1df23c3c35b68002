import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { join } from "node:path"
import { Granted, Told } from "../answers.ts"
import { find } from "../backend.ts"
import { ask, segment } from "../call.ts"
import { misused, notReachable } from "../failure.ts"
import { answer } from "../print.ts"
import { prepareFolder, writeWhole } from "../serving/folder.ts"
import { type Side, sideDir } from "../settings.ts"
import { table, time } from "../text.ts"

const name = Argument.String("name").pipe(Argument.withDescription("The tool: letters, digits and underscores"))
const tenant = Flag.String("tenant").pipe(
  Flag.withDescription("On hosted: whose events, as in `maestra hosted peers` (MAESTRA_TENANT). Without it: this machine's own backend"),
  Flag.withFallbackConfig(Config.NonEmptyString("MAESTRA_TENANT")),
  Flag.optional
)

/** A tenant is named on hosted alone; a local backend has one. */
const sideOf = (given: Option.Option<string>): Side => Option.isSome(given) ? "hosted" : "local"

/** The side that is meant. Without a tenant that is a local backend: where none runs, who operates a hosted one is told what is missing. */
const meant = (given: Option.Option<string>) =>
  Option.isSome(given) ? find("hosted") : find("local").pipe(Effect.catchIf(({ type }) => type === "not-running", (notRunning) =>
    Effect.flatMap(Effect.option(find("hosted")), (hosted) => Effect.fail(Option.isSome(hosted)
      ? misused("tenant-missing", "no local backend runs here, and the hosted one holds several people's events; say whose with --tenant t_…", "`maestra hosted peers` lists the tenants.")
      : notReachable(notRunning.type, notRunning.sentence, "For a tool on hosted say whose events, with --tenant t_…")))))

/** `tools grant NAME`: read-only NATS credentials for one tool and one tenant, in files of this user alone. */
const grant = Command.make(
  "grant",
  { name, tenant, days: Flag.Finite("days").pipe(Flag.withDescription("How long they last, 365 at most"), Flag.withDefault(30)) },
  Effect.fn(function*(flags) {
    const side = sideOf(flags.tenant)
    const backend = yield* meant(flags.tenant)
    const { value } = yield* ask(backend, Granted, { method: "POST", path: `/tools/${yield* segment(flags.name)}`, body: { ...Option.match(flags.tenant, { onNone: () => ({}), onSome: (one) => ({ tenant: one }) }), days: flags.days } })
    const { creds, data_keys, nkey_seed, ...shown } = value
    const dir = join(yield* sideDir(side), "tools")
    yield* prepareFolder(dir)
    const secret = creds === undefined ? join(dir, `${flags.name}.nk`) : join(dir, `${flags.name}.creds`)
    const files = { ...(creds === undefined ? { nkey_file: secret } : { creds_file: secret }), keys_file: join(dir, `${flags.name}.keys.json`) }
    yield* writeWhole(secret, creds ?? `${nkey_seed}\n`)
    yield* writeWhole(files.keys_file, `${JSON.stringify({ keys: data_keys }, null, 2)}\n`)
    yield* answer({ ...shown, ...files }, () =>
      [
        `${flags.name} may hear what happens to ${value.tenant} until ${time(value.expires_at)} UTC, and nothing else:`,
        "",
        table([
          ["  servers", value.servers.join(", ")],
          [creds === undefined ? "  nkey" : "  credentials", secret],
          ["  subscribe to", value.subject],
          ["  inbox prefix", value.inbox_prefix],
          ["  data keys", files.keys_file]
        ]),
        "",
        "Both files are secrets. An earlier grant of this name has ended.",
        "To acknowledge, answer flow control with Nats-Last-Consumer and Nats-Last-Stream of what was heard: docs/OPERATIONS.md."
      ].join("\n"))
  })
).pipe(
  Command.withDescription("Read-only NATS credentials for a tool"),
  Command.withExamples([{ command: "maestra tools grant warehouse --tenant t_abcdefghijklmnop --days 7", description: "For a week" }, { command: "maestra tools grant warehouse", description: "On this machine's own backend" }])
)

/** `tools revoke NAME`: the tool hears nothing any more. */
const revoke = Command.make("revoke", { name, tenant }, Effect.fn(function*(flags) {
  const { raw, value } = yield* ask({ ...(yield* meant(flags.tenant)), tenant: Option.getOrUndefined(flags.tenant) }, Told, { method: "DELETE", path: `/tools/${yield* segment(flags.name)}` })
  yield* answer(raw, () => value.sentence)
})).pipe(Command.withDescription("End a tool's access at once"))

/** `tools …`: programs of others that read along, on either side. */
export const tools = Command.make("tools").pipe(
  Command.withDescription("Read-only access for other programs"),
  Command.withSubcommands([grant, revoke])
)
