import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Stdio from "effect/Stdio"
import { AdminTokens, NewAdminToken, Told } from "../../answers.ts"
import { find, findIn } from "../../backend.ts"
import { ask, segment } from "../../call.ts"
import { answer } from "../../print.ts"
import { things } from "../../rows.ts"
import { Json } from "../../settings.ts"

const name = Argument.String("name").pipe(Argument.withDescription("Whose token it is: letters, digits, spaces and ._@-"))

/** `hosted tokens create NAME`: shown once; only its hash is kept. */
const create = Command.make(
  "create",
  { name, scope: Flag.Literals("scope", ["read", "operate"]).pipe(Flag.withDescription("Look at everything, or operate as well"), Flag.withDefault("read")) },
  Effect.fn(function*(flags) {
    const { raw, value } = yield* ask(yield* find("hosted"), NewAdminToken, { method: "POST", path: "/admin/tokens", body: flags })
    yield* answer(raw, () => shown(value))
  })
).pipe(
  Command.withDescription("An admin token for one more operator or program"),
  Command.withExamples([{ command: "maestra hosted tokens create prometheus --scope read", description: "For a program that only looks" }])
)

const shown = ({ name, scope, token }: NewAdminToken): string =>
  [
    `the admin token of ${name}, shown this once:`,
    "",
    `  ${token}`,
    "",
    `It ${scope === "read" ? "only reads" : "operates"}. On another machine: MAESTRA_HOSTED_URL=https://… MAESTRA_ADMIN_TOKEN_FILE=FILE maestra hosted status`
  ].join("\n")

/**
 * The first admin token of a deployment, made when it is first started by a person: its name is used once, so it is
 * shown once. Never into a service's log.
 */
export const showFirstToken = Effect.fnUntraced(function*(dir: string) {
  const stdio = yield* Stdio.Stdio
  if ((yield* Json) || !(yield* stdio.stdoutIsTerminal)) return
  const made = yield* Effect.option(ask(yield* findIn("hosted", dir), NewAdminToken, { method: "POST", path: "/admin/tokens", body: { name: "first", scope: "operate" } }))
  if (made._tag === "Some") yield* answer(made.value.raw, () => shown(made.value.value))
})

/** `hosted tokens list`: names, scopes and days; never a token. */
const list = Command.make("list", {}, Effect.fn(function*() {
  const { raw, value } = yield* ask(yield* find("hosted"), AdminTokens, { method: "GET", path: "/admin/tokens" })
  yield* answer(raw, () => value.tokens.length === 0 ? "no admin tokens; this machine's own is in hosted/admin-token" : things(value.tokens, ["name", "scope", "created_at", "revoked_at"]))
})).pipe(Command.withDescription("The admin tokens that were made"))

/** `hosted tokens revoke NAME`: it opens nothing any more, on any process. */
const revoke = Command.make("revoke", { name }, Effect.fn(function*(flags) {
  const { raw, value } = yield* ask(yield* find("hosted"), Told, { method: "DELETE", path: `/admin/tokens/${yield* segment(flags.name)}` })
  yield* answer(raw, () => value.sentence)
})).pipe(Command.withDescription("End an admin token at once"))

/** `hosted tokens …`: who may operate this backend from elsewhere. */
export const tokens = Command.make("tokens").pipe(
  Command.withDescription("Admin tokens for operators on other machines"),
  Command.withSubcommands([create, list, revoke])
)
