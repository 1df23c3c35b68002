// Goal: certificates for a cluster's routes say what TLS asks of them, for any names, and nobody else's authority will do.
// Method: made for generated host names and addresses, then read and checked by Node's own X.509.
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto"
import { clusterCertificates } from "../../../src/security/certificates.ts"

const host = Schema.String.check(Schema.isPattern(/^[a-z]{1,20}(-[a-z0-9]{1,20})?(\.[a-z]{2,40}){0,4}$/))
const byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const address = Schema.Tuple([byte, byte, byte, byte])
const now = Date.parse("2026-11-22T10:00:00.000Z")

describe("a cluster's certificates", () => {
  it.prop("name their server, are signed by their authority, and go with their key", [host, address], ([name, bytes]) => {
    const ip = bytes.join(".")
    const { ca, servers } = clusterCertificates([[name, ip], [ip]], now)
    const authority = new X509Certificate(ca)
    assert.isTrue(authority.ca)
    assert.isTrue(authority.verify(authority.publicKey))
    for (const { cert, key } of servers) {
      const certificate = new X509Certificate(cert)
      assert.isFalse(certificate.ca)
      assert.isTrue(certificate.checkIssued(authority))
      assert.isTrue(certificate.verify(authority.publicKey))
      assert.isTrue(certificate.checkPrivateKey(createPrivateKey(key)))
      assert.strictEqual(certificate.checkIP(ip), ip)
      assert.deepStrictEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"])
    }
    assert.strictEqual(new X509Certificate(servers[0]!.cert).checkHost(name), name)
    assert.isUndefined(new X509Certificate(servers[1]!.cert).checkHost(name))
  }, { arbitrary: { runs: 20 } })

  it("hold from an hour ago for ten years, each with a number of its own; another authority's are not theirs", () => {
    const [one, other] = [clusterCertificates([["hub"]], now), clusterCertificates([["hub"]], now)]
    const certificate = new X509Certificate(one.servers[0]!.cert)
    assert.strictEqual(Date.parse(certificate.validFrom), now - 3_600_000)
    assert.strictEqual(Date.parse(certificate.validTo), now + 10 * 365 * 24 * 3_600_000)
    assert.notStrictEqual(certificate.serialNumber, new X509Certificate(one.ca).serialNumber)
    assert.isFalse(certificate.verify(createPublicKey(other.ca)))
  })
})
