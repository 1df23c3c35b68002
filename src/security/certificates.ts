import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"
import { isIPv4 } from "node:net"
import { isoTime } from "../../streams/time.ts"

/** A certificate and its private key, as PEM. The key is secret. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Whose signature a certificate carries. `privateKey` is secret. */
export interface Authority {
  readonly name: string
  readonly privateKey: KeyObject
}

/** From when to when, in milliseconds since 1970. */
export type Validity = readonly [from: number, until: number]

/**
 * An authority made on the spot and certificates it signs, for the routes between the servers of one cluster: nobody
 * else has to trust it. Its key is used for these and forgotten, so it can vouch for nobody later.
 *
 * X.509 is written here, in DER, because Node's crypto reads certificates and makes none. `names` are host names or
 * IPv4 addresses; `now` in milliseconds since 1970. Good for ten years.
 */
export const clusterCertificates = (names: ReadonlyArray<ReadonlyArray<string>>, now: number): { readonly ca: string; readonly servers: ReadonlyArray<Certificate> } => {
  const validity: Validity = [now - hour, now + tenYears]
  const { authority, cert } = makeAuthority(authorityName, validity)
  return { ca: cert, servers: names.map((own) => issueCertificate(authority, own, validity)) }
}

/** A new authority, and the certificate by which others trust it. */
export const makeAuthority = (name: string, validity: Validity): { readonly authority: Authority; readonly cert: string } => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const authority = { name, privateKey }
  const extensions = [extension(oid.basicConstraints, sequence(der(0x01, [0xff]))), extension(oid.keyUsage, der(0x03, [1, 0x06]))]
  return { authority, cert: signedBy(authority, name, publicKey, validity, extensions) }
}

/** A certificate for a server of these names, with a key of its own. */
export const issueCertificate = (authority: Authority, names: ReadonlyArray<string>, validity: Validity): Certificate => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const extensions = [
    extension(oid.subjectAltName, sequence(...names.map(alternativeName))),
    extension(oid.extendedKeyUsage, sequence(object(oid.serverAuth), object(oid.clientAuth)))
  ]
  return { cert: signedBy(authority, names[0] ?? "hub", publicKey, validity, extensions), key: privateKey.export({ type: "pkcs8", format: "pem" }).toString() }
}

const signedBy = (authority: Authority, common: string, publicKey: KeyObject, validity: Validity, extensions: ReadonlyArray<Uint8Array>) =>
  pem("CERTIFICATE", signed(authority.privateKey, tbs(authority.name, common, publicKey, validity, extensions)))

const authorityName = "maestra cluster"
const hour = 3_600_000
const tenYears = 10 * 365 * 24 * hour

/** Object identifiers, already encoded (RFC 5280, RFC 5758). */
const oid = {
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  commonName: [0x55, 0x04, 0x03],
  basicConstraints: [0x55, 0x1d, 0x13],
  keyUsage: [0x55, 0x1d, 0x0f],
  subjectAltName: [0x55, 0x1d, 0x11],
  extendedKeyUsage: [0x55, 0x1d, 0x25],
  serverAuth: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
  clientAuth: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02]
} as const

const tbs = (issuer: string, common: string, publicKey: KeyObject, [from, until]: Validity, extensions: ReadonlyArray<Uint8Array>) =>
  sequence(
    der(0xa0, der(0x02, [2])),
    // positive, and no leading zero byte
    der(0x02, [0x40 | (randomBytes(1)[0]! & 0x3f), ...randomBytes(15)]),
    algorithm,
    nameOf(issuer),
    sequence(utcTime(from), utcTime(until)),
    nameOf(common),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions))
  )

const signed = (key: KeyObject, body: Uint8Array) => sequence(body, algorithm, der(0x03, [0, ...sign("sha256", body, key)]))

const nameOf = (common: string) => sequence(der(0x31, sequence(object(oid.commonName), der(0x0c, Buffer.from(common)))))

/** `2026-11-22T10:00:00.000Z` → `261122100000Z`; good until 2049. */
const utcTime = (millis: number) => der(0x17, Buffer.from(`${isoTime(millis).replace(/[-:T]/g, "").slice(2, 14)}Z`))

/** All of ours are critical but for what a certificate is used for and whom it names. */
const extension = (id: ReadonlyArray<number>, value: Uint8Array) =>
  id === oid.basicConstraints || id === oid.keyUsage
    ? sequence(object(id), der(0x01, [0xff]), der(0x04, value))
    : sequence(object(id), der(0x04, value))

const alternativeName = (name: string) => isIPv4(name) ? der(0x87, name.split(".").map(Number)) : der(0x82, Buffer.from(name))

const object = (id: ReadonlyArray<number>) => der(0x06, id)
const sequence = (...parts: ReadonlyArray<Uint8Array>) => der(0x30, Buffer.concat(parts))

const der = (tag: number, content: ReadonlyArray<number> | Uint8Array): Uint8Array => {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.from([tag, ...size, ...content])
}

const algorithm = sequence(object(oid.ecdsaWithSha256))

const pem = (label: string, bytes: Uint8Array) =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes).toString("base64").replace(/(.{64})(?!$)/g, "$1\n")}\n-----END ${label}-----\n`
