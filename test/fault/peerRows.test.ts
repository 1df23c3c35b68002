// Goal: the operator's list of peers says of each what it is, of those shut out too.
// Method: a record with a machine that is registered, and a machine and a browser that were revoked; the pure rows.
import { assert, describe, it } from "@effect/vitest"
import { peerRows } from "../../src/hosted/peerRows.ts"
import type { TenantRecord } from "../../src/hosted/TenantRecord.ts"

const at = "2026-11-29T10:00:00.000Z"
const idOf = (platform: string, digit: string) => `${platform}_sha256_${digit.repeat(64)}`
const peerOf = (digit: string) => `peer_${digit.repeat(16)}`
const identity = { backend_id: idOf("local", "a"), backend_type: "local", public_key: "", wrap_key: "", capabilities: [], version: "1.0", created_at: at } as const
const record: TenantRecord = {
  tenant: "t_abcdefghijklmnop", user_id: "ada", partition: 0, data_keys: [], pending: [], created_at: at,
  devices: [{ backend_id: identity.backend_id, peer_id: peerOf("a"), secret: "", identity, keys: [], transport_keys: [], registered_at: at, expires_at: at }],
  gone: [
    { backend_id: idOf("local", "b"), peer_id: peerOf("b"), what: "revoked", at, transport_keys: [] },
    { backend_id: idOf("web", "c"), peer_id: peerOf("c"), what: "revoked", at, transport_keys: [], companion_of: idOf("local", "b") }
  ]
}
const seen = { positions: [{ peer_id: peerOf("a"), log_seq: 7, seen_at: at }], confirmed: new Set([peerOf("a")]), lastSeq: 9, now: Date.parse(at) + 1000 }

describe("the list of peers", () => {
  it("says what each is, and where it is", () => {
    const rows = peerRows(record, seen)
    assert.deepStrictEqual(rows.map(({ backend_type, status }) => [backend_type, status]), [["local", "registered"], ["local", "revoked"], ["companion", "revoked"]])
    assert.deepInclude(rows[0], { online: true, log_seq: 7, behind: 2, confirmed: true, last_seen: at })
    assert.deepInclude(rows[2], { online: false, log_seq: 0, confirmed: false, last_seen: null })
  })

  it("calls nobody online whose last word is half a minute old", () => {
    assert.isFalse(peerRows(record, { ...seen, now: seen.now + 30_000 })[0]!.online)
  })
})
