import { Result } from "effect"
import type { FactOf } from "../../streams/catalog.ts"
import type { Opened } from "../../streams/Envelope.ts"
import type { Identity } from "../../streams/events/peer.ts"
import { publicKey } from "./keys.ts"
import { peerIdOf } from "./peerId.ts"
import { verifyIdentityProof, verifyRotation } from "./proofs.ts"

/** A public key an author signs with. `until`: the end of its grace, once a newer key took over. */
export interface AuthorKey {
  readonly keyId: string
  readonly publicKey: string
  readonly until?: string
}

/** What is known of an author: who it is and which keys are pinned, oldest first. */
export interface AuthorEntry {
  readonly backendId: string
  readonly keys: ReadonlyArray<AuthorKey>
}

/**
 * The keys each author of each tenant is pinned to: the first one seen, and what it handed over to since.
 * The hosted backend's key is given from outside (the pairing code's fingerprint), the same for all tenants.
 */
export class AuthorKeys {
  #hosted: AuthorEntry
  readonly #authors = new Map<string, AuthorEntry>()

  constructor(hosted: AuthorEntry, known: Iterable<readonly [tenant: string, author: string, entry: AuthorEntry]> = []) {
    this.#hosted = hosted
    for (const [tenant, author, entry] of known) {
      if (author === "hosted") this.#hosted = together(this.#hosted, entry.keys)
      else this.#authors.set(`${tenant}.${author}`, entry)
    }
  }

  entry(tenant: string, author: string): AuthorEntry | undefined {
    return author === "hosted" ? this.#hosted : this.#authors.get(`${tenant}.${author}`)
  }

  /** The pinned key of that id, if it was good at `time`. */
  find(tenant: string, author: string, id: string, time: string): string | undefined {
    const key = this.entry(tenant, author)?.keys.find((candidate) => candidate.keyId === id)
    return key !== undefined && (key.until === undefined || time < key.until) ? key.publicKey : undefined
  }

  speaksFor(tenant: string, author: string, backendId: string): boolean {
    return this.entry(tenant, author)?.backendId === backendId
  }

  /** Take in what an event says about keys. Returns why it was refused, where it was. */
  learn(tenant: string, author: string, { fact }: Opened): string | undefined {
    if (author === "hosted" && (fact.type === "peer.registered" || fact.type === "peer.renewed")) {
      return this.#register(tenant, fact.data.peer_id, fact.data.identity, fact.data.challenge, fact.data.proof)
    }
    // whoever writes it down: the old key's signature says that it is so
    if (fact.type === "key.rotated" && (fact.data.peer_id === author || author === "hosted")) return this.#rotate(tenant, fact.data.peer_id, fact.data)
    return undefined
  }

  #register(tenant: string, peer: string, identity: Identity, challenge: string, proof: string): string | undefined {
    if (peerIdOf(tenant, identity.backend_id) !== peer) return `${peer} is not the peer id of ${identity.backend_id}`
    if (!verifyIdentityProof(identity, challenge, proof)) return `${peer} was registered without proof of its key`
    const id = publicKey(identity.public_key)
    if (Result.isFailure(id)) return `${peer} was registered with a key we do not accept`
    const held = this.#authors.get(`${tenant}.${peer}`)
    if (held === undefined) {
      this.#authors.set(`${tenant}.${peer}`, { backendId: identity.backend_id, keys: [{ keyId: id.success.id, publicKey: identity.public_key }] })
      return undefined
    }
    return held.keys.some((key) => key.keyId === id.success.id) ? undefined : `${peer} was registered with another key than the one pinned`
  }

  #rotate(tenant: string, author: string, data: FactOf<"key.rotated">["data"]): string | undefined {
    const held = this.entry(tenant, author)
    const old = held?.keys.find((key) => key.keyId === data.old_key_id)
    const id = publicKey(data.public_key)
    if (held === undefined || old === undefined) return `${author} rotated from a key nobody knows`
    if (Result.isFailure(id) || !verifyRotation(old.publicKey, data, data.signature)) return `${author} rotated without the old key's signature`
    if (held.keys.some((key) => key.keyId === id.success.id)) return undefined
    const keys = [
      ...held.keys.map((key) => key === old ? { ...key, until: data.grace_ends_at } : key),
      { keyId: id.success.id, publicKey: data.public_key }
    ]
    const next = { backendId: held.backendId, keys }
    if (author === "hosted") this.#hosted = next
    else this.#authors.set(`${tenant}.${author}`, next)
    return undefined
  }
}

/** What was pinned, and what verified events told of the keys that followed. */
const together = (held: AuthorEntry, told: ReadonlyArray<AuthorKey>): AuthorEntry => ({
  ...held,
  keys: [
    ...held.keys.map((key) => {
      const until = told.find(({ keyId }) => keyId === key.keyId)?.until
      return until === undefined ? key : { ...key, until }
    }),
    ...told.filter(({ keyId, publicKey }) => publicKey !== "" && !held.keys.some((key) => key.keyId === keyId))
  ]
})
