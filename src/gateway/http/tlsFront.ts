import { Duration, Effect, Schedule, Schema } from "effect"
import { X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import type { Server } from "node:http"
import { createServer, type TlsOptions } from "node:tls"
import { isoTime } from "../../../streams/time.ts"

/** PEM files: the certificate, with those between it and its authority, and its private key. */
export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
}

/** The certificate cannot be read, or its port not be listened on. Nothing is served. */
export class TlsRefused extends Schema.TaggedError<TlsRefused>()("TlsRefused", { why: Schema.String, hint: Schema.String }) {}

/** How often the files are looked at for a renewed certificate. */
const lookEvery = Duration.seconds(2)

/** Read, and found to belong together. A pair that is being written may not, for a moment. */
const load = ({ certFile, keyFile }: CertificateFiles) =>
  Effect.tryPromise({
    try: async () => {
      const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)])
      const until = Date.parse(new X509Certificate(cert).validTo)
      return { options: { cert, key, minVersion: "TLSv1.2" } satisfies TlsOptions, text: `${cert.toString("latin1")}${key.toString("latin1")}`, until }
    },
    // a parser's message may quote what it parsed
    catch: () => new TlsRefused({ why: `${certFile} or ${keyFile} cannot be read`, hint: "Give a certificate and its private key as PEM files this user can read; `maestra hosted certs` makes some for trying out." })
  })

/**
 * TLS in front of a server that speaks plain HTTP on loopback: connections it has opened are that server's own, upgrades
 * included. A renewed certificate is taken up within seconds, for new connections; those under way stay.
 */
export const tlsFront = Effect.fn("gateway.tlsFront")(function*(server: Server, files: CertificateFiles, listen: { readonly host: string; readonly port: number }) {
  const first = yield* load(files)
  const front = yield* Effect.try({
    try: () => createServer({ ...first.options, ALPNProtocols: ["http/1.1"], handshakeTimeout: 10_000 }),
    catch: () => new TlsRefused({ why: `${files.keyFile} is not the key of ${files.certFile}`, hint: "Give the key the certificate was made for." })
  })
  front.on("secureConnection", (socket) => void server.emit("connection", socket))
  yield* Effect.acquireRelease(
    Effect.callback<void, TlsRefused>((resume) => {
      front.once("error", ({ message }) => resume(Effect.fail(new TlsRefused({ why: message, hint: "Choose another port or address." }))))
      front.listen({ host: listen.host, port: listen.port }, () => resume(Effect.void))
    }),
    () => Effect.sync(() => void front.close()))
  let held = first.text
  const renew = Effect.gen(function*() {
    const next = yield* load(files)
    if (next.text === held) return
    yield* Effect.try({ try: () => front.setSecureContext(next.options), catch: () => new TlsRefused({ why: "the key is not the certificate's", hint: "" }) })
    held = next.text
    yield* Effect.logInfo("a renewed certificate is in use", { good_until: isoTime(next.until) })
  })
  // half a renewal is no renewal yet: the old one serves until the files belong together
  yield* Effect.forkScoped(Effect.repeat(Effect.ignore(renew), Schedule.spaced(lookEvery)))
})
