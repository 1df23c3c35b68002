// Goal: keys are kept in the real OS keychain, and a keychain that is locked, absent or silent is named as such.
// Method: gnome-keyring in a D-Bus session of its own; the keystore suite and an identity run inside it.
import { assert, describe, it } from "@effect/vitest"
import { inKeychain, keychainDaemon } from "../support/keychain.ts"
import { keystoreSuite } from "../support/keystoreSuite.ts"

/** A process for each time the keyring is asked: some seventy. */
const timeout = 300_000

describe.skipIf(!keychainDaemon)(keychainDaemon ? "the OS keychain" : "skipped: no keychain daemon (gnome-keyring, dbus-run-session)", () => {
  it("passes the keystore suite and keeps an identity over restarts", { timeout }, async () => {
    const steps = await inKeychain("unlocked")
    for (const name of Object.keys(keystoreSuite)) assert.strictEqual(steps[name], "ok", name)
    assert.isAtLeast(Object.keys(keystoreSuite).length, 4)
    assert.strictEqual(steps["chosen"], "keychain")
    assert.strictEqual(steps["identity"], "ok")
    assert.strictEqual(steps["identity again"], "ok")
    assert.strictEqual(steps["held by the keyring"], "ok")
    assert.strictEqual(steps["deleted"], "ok")
    assert.strictEqual(steps["identity without its key"], "PrivateKeyMissing")
  })

  it("that is locked says so, at once and at every use", async () => {
    assert.deepStrictEqual(await inKeychain("locked"), {
      set: "ok",
      lock: "ok",
      get: "KeychainLocked",
      "set while locked": "KeychainLocked",
      "delete while locked": "KeychainLocked",
      open: "KeychainLocked",
      chosen: "KeychainLocked"
    })
  })

  it("without any keyring in it is no keystore", async () => {
    assert.deepStrictEqual(await inKeychain("empty"), { open: "KeychainUnavailable", chosen: "NoKeystore" })
  })
})

describe.skipIf(process.platform !== "linux")("no OS keychain", () => {
  it("and no passphrase is no keystore: nothing is kept in the open", async () => {
    assert.deepStrictEqual(await inKeychain("no-bus"), { open: "KeychainUnavailable", chosen: "NoKeystore" })
  })

  it("that answers is waited for no longer than the limit", async () => {
    assert.deepStrictEqual(await inKeychain("silent-bus"), { open: "KeychainTimedOut", "in time": "ok" })
  })
})
