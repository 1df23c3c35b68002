// Goal: a support bundle holds what its list allows, and nothing else, whatever the backends answer.
// Method: random documents with secrets in every text; ids in every form; the same id twice.
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { allowed, type Allowed, hashed, only } from "../../src/cli/support/bundle.ts"

const salt = new Uint8Array(32)
const secret = "what a person wrote"
const peer = "peer_0123456789abcdef"

/** A document in which every text there may be is the secret, under the fields of the list and under others. */
const filled = (rule: Allowed): unknown =>
  typeof rule === "string" ? secret : { ...Object.fromEntries(Object.entries(rule).map(([field, next]) => [field, filled(next)])), title: secret, content: secret, hosted_url: secret, token: secret }

/** Fields that hold a state, a number or a time: written by the program, never by a person. */
const keeps = (rule: Allowed, path = ""): ReadonlyArray<string> =>
  typeof rule === "string" ? rule === "keep" ? [path] : [] : Object.entries(rule).flatMap(([field, next]) => keeps(next, `${path}.${field}`))

describe("the support bundle", () => {
  it.prop("leaves out every field that is not on its list", [Schema.Record(Schema.String, Schema.Json)], ([document]) => {
    const out = only(document, allowed, salt) as Record<string, unknown>
    for (const field of Object.keys(out)) assert.isTrue(Object.hasOwn(allowed, field), field)
  })

  it("lets no text through but states, times and figures", () => {
    const out = JSON.stringify(only(filled(allowed), allowed, salt))
    assert.notInclude(out, "title")
    assert.notInclude(out, "token")
    const names = keeps(allowed)
    assert.isAtLeast(names.length, 40)
    for (const name of names) assert.notMatch(name, /content|title|subject$|url|reason|summary|detail|path|file|user/)
  })

  it.each([
    [`event 01890a5d-ac96-774b-bcce-b302099a8057 of ${peer}`, /^event id_[0-9a-f]{12} of id_[0-9a-f]{12}$/],
    ["cannot open /home/ada/.8825/local/token", /^cannot open …$/],
    ["no answer from https://sync.example.org:8826/status now", /^no answer from … now$/],
    [`expected "${secret}"`, /^expected …$/],
    ["t_abcdefgh23456722 and local_sha256_" + "a".repeat(64), /^id_\w+ and id_\w+$/]
  ])("hashes and cuts %s", (text, expected) => assert.match(String(only(text, "text", salt)), expected))

  it("calls one id by one name", () => {
    assert.strictEqual(only(peer, "id", salt), hashed(salt, peer))
    assert.notStrictEqual(hashed(salt, peer), hashed(new Uint8Array([1]), peer))
    assert.strictEqual(String(only(`x ${peer}`, "text", salt)), `x ${hashed(salt, peer)}`)
  })
})
