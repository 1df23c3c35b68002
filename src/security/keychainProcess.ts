/**
 * One conversation with the OS keychain, in a process of its own.
 *
 * The native call may wait for ever (a bus that does not answer, a prompt nobody sees), and a thread inside
 * it can be neither stopped nor left behind; a process can. Requests come on stdin, answers go to stdout:
 * secrets are in no argument and no environment.
 */
import { text } from "node:stream/consumers"
import { AsyncEntry } from "@napi-rs/keyring"

export interface KeychainRequest {
  readonly op: "get" | "set" | "delete"
  readonly account: string
  /** For `set`. */
  readonly secret?: string
}

/** For `get`: the secret or null. For `delete`: whether there was one. For `set`: true. */
export type KeychainAnswer = string | boolean | null

export interface KeychainJob {
  readonly service: string
  readonly requests: ReadonlyArray<KeychainRequest>
}

export type KeychainOutcome = { readonly answers: ReadonlyArray<KeychainAnswer> } | { readonly error: string }

const answer = async (service: string, request: KeychainRequest): Promise<KeychainAnswer> => {
  // without a Secret Service the library falls back to the kernel's keyring, which forgets at the next reboot
  const entry = new AsyncEntry(service, request.account, { linux: { store: "secret-service" } })
  switch (request.op) {
    case "get": {
      // bytes, not a password: Windows would store a text in UTF-16, for which a key is too long
      const bytes = await entry.getSecret()
      return bytes === null ? null : Buffer.from(bytes).toString("utf8")
    }
    case "set":
      await entry.setSecret(Buffer.from(request.secret ?? "", "utf8"))
      return true
    case "delete":
      return await entry.deleteCredential()
  }
}

const run = async (): Promise<KeychainOutcome> => {
  try {
    const job: KeychainJob = JSON.parse(await text(process.stdin))
    const answers: Array<KeychainAnswer> = []
    for (const request of job.requests) answers.push(await answer(job.service, request))
    return { answers }
  } catch (cause) {
    return { error: cause instanceof Error ? cause.message : "unknown" }
  }
}

if (import.meta.main) process.stdout.write(JSON.stringify(await run()))
