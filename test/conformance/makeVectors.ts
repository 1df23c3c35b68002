import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { exportPrivateKey, generateKeyPairs } from "../../src/security/portable/keys.ts"
import { deterministic, signatures, type TestKey } from "./vectors.ts"

// Writes vectors.json anew: node test/conformance/makeVectors.ts. The test key stays what it was.
const file = new URL("vectors.json", import.meta.url)
const held = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) as { readonly test_key: TestKey; readonly next_key?: { readonly public_key: string } } : undefined
const { signing } = await generateKeyPairs(true)
const test_key = held?.test_key ?? { private_key: await exportPrivateKey(signing.privateKey), public_key: signing.publicPem }
const next_key = held?.next_key ?? { public_key: (await generateKeyPairs(true)).signing.publicPem }
const about = "Test vectors of docs/PROTOCOL.md. The key was made for them and protects nothing. Signatures are salted: verify them, do not compare."
writeFileSync(file, `${JSON.stringify({ about, test_key, next_key, ...await deterministic(test_key), signatures: await signatures(test_key, next_key.public_key) }, null, 1)}\n`)
