import * as Clock from "effect/Clock"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { join } from "node:path"
import { isoTime } from "../../../../streams/time.ts"
import { type Authority, issueCertificate, makeAuthority } from "../../../security/certificates.ts"
import { failed } from "../../failure.ts"
import { answer } from "../../print.ts"
import { prepareFolder, writeWhole } from "../../serving/folder.ts"
import { sideDir } from "../../settings.ts"
import { table, time } from "../../text.ts"

const dayMillis = 86_400_000
const hourMillis = 3_600_000
const authorityDays = 3650
const authorityName = "maestra development"

/** `hosted certs`: an authority for trying TLS out, made once, and a server certificate of it; again renews that one. */
export const certs = Command.make(
  "certs",
  {
    name: Flag.String("name").pipe(Flag.withDescription("A name or address the server is reached by; may be given several times"), Flag.atLeast(0)),
    days: Flag.Int("days").pipe(Flag.filter((days) => days > 0 && days <= authorityDays, (days) => `Expected 1 to ${authorityDays}, got ${days}`), Flag.withDescription("How long the server's certificate is good"), Flag.withDefault(90))
  },
  Effect.fn(function*({ days, name }) {
    const dir = join(yield* sideDir("hosted"), "certs")
    yield* prepareFolder(dir)
    const now = yield* Clock.currentTimeMillis
    const files = { ca: join(dir, "ca.crt"), caKey: join(dir, "ca.key"), cert: join(dir, "tls.crt"), key: join(dir, "tls.key") }
    const { authority, cert: ca } = yield* keptAuthority(files, now)
    const names = [...new Set([...name, "localhost", "127.0.0.1"])]
    const until = now + days * dayMillis
    const issued = issueCertificate(authority, names, [now - hourMillis, until])
    // nothing reads the key alone: a server that looks in between keeps what it had
    yield* writeWhole(files.key, issued.key)
    yield* writeWhole(files.cert, `${issued.cert}${ca}`)
    const good_until = isoTime(until)
    yield* answer({ names, good_until, ca_file: files.ca, cert_file: files.cert, key_file: files.key }, () =>
      [
        `a certificate for ${names.join(", ")}, until ${time(good_until)} UTC:`,
        "",
        table([["  certificate", files.cert], ["  key", files.key], ["  authority", files.ca]]),
        "",
        "  maestra hosted up --tls-cert … --tls-key … --public-url https://NAME:8826",
        "  maestra local up --ca ca.crt, on machines that shall trust it",
        "",
        "Whoever has ca.key can vouch for anybody to them: this is for trying out, not for people's data."
      ].join("\n"))
  })
).pipe(
  Command.withDescription("Make a development authority and a server certificate"),
  Command.withExamples([{ command: "maestra hosted certs --name sync.test", description: "For one name, and this machine" }])
)

const keptAuthority = Effect.fnUntraced(function*(files: { readonly ca: string; readonly caKey: string }, now: number) {
  const fs = yield* FileSystem.FileSystem
  const kept = yield* Effect.option(Effect.all([fs.readFileString(files.ca), fs.readFileString(files.caKey)]))
  if (Option.isNone(kept)) {
    const made = makeAuthority(authorityName, [now - hourMillis, now + authorityDays * dayMillis])
    yield* writeWhole(files.caKey, made.authority.privateKey.export({ type: "pkcs8", format: "pem" }).toString())
    yield* writeWhole(files.ca, made.cert)
    return made
  }
  const [cert, key] = kept.value
  return yield* Effect.try({
    try: () => {
      const privateKey = createPrivateKey(key)
      if (!new X509Certificate(cert).checkPrivateKey(privateKey)) throw new Error("not its key")
      return { authority: { name: authorityName, privateKey } satisfies Authority, cert }
    },
    catch: () => failed("authority-unreadable", `${files.ca} and ${files.caKey} are not an authority and its key`, "Put copies back, or remove both: machines that trusted the old one have to trust the new.")
  })
})
