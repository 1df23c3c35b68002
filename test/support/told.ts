/** A message as the backends tell it. */
interface ToldMessage {
  readonly id: string
  readonly role: string
  readonly content: string
  readonly tier: string
  readonly conflicted?: true
  readonly shared?: { readonly content?: string }
}

/**
 * The fields of every answer these tests look into, as if each were always there: a field an answer does not have reads
 * as `undefined`, and whatever is asserted of it fails.
 */
export interface Told {
  readonly code: string
  readonly tenant: string
  readonly state: string
  readonly sentence: string
  readonly pending: number
  readonly behind: number
  readonly conversations: number
  readonly messages: number & ReadonlyArray<ToldMessage>
  readonly digest: string
  readonly type: string
  readonly status: number
  readonly field: string
  readonly hint: string
  readonly needs: string | null
  readonly quarantined: number
  readonly peer_id: string
  readonly backend_id: string
  readonly peers: ReadonlyArray<{ readonly peer_id: string; readonly user_id: string; readonly status: string }>
  readonly reached: { readonly tier: string; readonly missing: ReadonlyArray<string> }
  readonly registration_expires_at: string
  readonly expires_at: string
  readonly network_status: { readonly link: string; readonly since: string }
  readonly log_epoch: number
  readonly invalid: ReadonlyArray<{ readonly line: number; readonly why: string }>
}
