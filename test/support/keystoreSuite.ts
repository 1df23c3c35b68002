import assert from "node:assert/strict"
import { Effect, Option, Redacted } from "effect"
import { Keystore, type KeystoreError } from "../../src/security/Keystore.ts"

const secretOf = (found: Option.Option<Redacted.Redacted<string>>) => Option.getOrNull(Option.map(found, Redacted.value))

/**
 * What every keystore does, whatever it keeps its secrets in. Plain effects that die when something is wrong,
 * so that they run in a test and in a process of a keychain's own session alike.
 */
export const keystoreSuite: Readonly<Record<string, Effect.Effect<void, KeystoreError, Keystore>>> = {
  "gives back what was put in, until it is deleted": Effect.gen(function*() {
    const keystore = yield* Keystore
    assert.equal(secretOf(yield* keystore.get("b/one")), null)
    yield* keystore.set("b/one", Redacted.make("first"))
    assert.equal(secretOf(yield* keystore.get("b/one")), "first")
    yield* keystore.set("b/one", Redacted.make("second"))
    assert.equal(secretOf(yield* keystore.get("b/one")), "second")
    assert.equal(yield* keystore.delete("b/one"), true)
    assert.equal(yield* keystore.delete("b/one"), false)
    assert.equal(secretOf(yield* keystore.get("b/one")), null)
  }),
  "keeps accounts apart": Effect.gen(function*() {
    const keystore = yield* Keystore
    yield* keystore.set("b/signing", Redacted.make("s"))
    yield* keystore.set("b/wrap", Redacted.make("w"))
    yield* keystore.set("__proto__", Redacted.make("p"))
    assert.equal(secretOf(yield* keystore.get("b/signing")), "s")
    assert.equal(secretOf(yield* keystore.get("b/wrap")), "w")
    assert.equal(secretOf(yield* keystore.get("__proto__")), "p")
    assert.equal(secretOf(yield* keystore.get("constructor")), null)
    for (const account of ["b/signing", "b/wrap", "__proto__"]) yield* keystore.delete(account)
  }),
  "takes secrets of 2,500 bytes and any text": Effect.gen(function*() {
    const keystore = yield* Keystore
    for (const text of ["x".repeat(2500), "line\nline\r\n\0ü😀 \"'\\", " "]) {
      yield* keystore.set("b/large", Redacted.make(text))
      assert.equal(secretOf(yield* keystore.get("b/large")), text)
    }
    yield* keystore.delete("b/large")
  }),
  "takes many writes at once": Effect.gen(function*() {
    const keystore = yield* Keystore
    const accounts = Array.from({ length: 8 }, (_, n) => `b/many-${n}`)
    yield* Effect.forEach(accounts, (account) => keystore.set(account, Redacted.make(account)), { concurrency: 4, discard: true })
    for (const account of accounts) {
      assert.equal(secretOf(yield* keystore.get(account)), account)
      assert.equal(yield* keystore.delete(account), true)
    }
  })
}
