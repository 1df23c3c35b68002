export { sentences } from "../../../streams/sentences.ts"

/** Why something did not work, with what to do now. What was written is kept in every case but `erased`. */
export class MaestraError extends Error {
  /**
   * `not-joined`: join a backend first. `unreachable`: no answer, tried again by itself. `refused`: a backend said no, see
   * `hint`. `later`: too much or too busy, tried again after `retryMillis`. `erased`: the person had
   * everything erased, so what was here is gone too.
   */
  readonly kind: "not-joined" | "unreachable" | "refused" | "later" | "erased"
  /** The problem's stable name, where a backend gave one: `urn:maestra:problem:…`. */
  readonly type: string
  readonly status: number
  readonly hint: string
  readonly retryMillis: number
  /** With 410: what proves that everything was erased. */
  readonly receipt: unknown

  constructor(kind: MaestraError["kind"], message: string, about: { readonly type?: string; readonly status?: number; readonly hint?: string; readonly retryMillis?: number; readonly receipt?: unknown } = {}) {
    super(message)
    this.name = "MaestraError"
    this.kind = kind
    this.type = about.type ?? ""
    this.status = about.status ?? 0
    this.hint = about.hint ?? ""
    this.retryMillis = about.retryMillis ?? 0
    this.receipt = about.receipt
  }
}

/** A problem (RFC 9457) as a backend sent it. `about`: what the response said besides. */
export const problemOf = (json: unknown, about: { readonly status?: number; readonly detail?: string; readonly retryMillis?: number } = {}): MaestraError => {
  const problem = typeof json === "object" && json !== null ? json as Readonly<Record<string, unknown>> : {}
  const textOf = (field: string) => typeof problem[field] === "string" ? problem[field] : ""
  const status = about.status ?? Number(problem["status"] ?? 0)
  return new MaestraError(status === 429 || status >= 500 ? "later" : "refused", textOf("detail") || (about.detail ?? "refused without a reason"), {
    type: textOf("type"), status, hint: textOf("hint"), retryMillis: about.retryMillis ?? Number(problem["retry_after_s"] ?? 0) * 1000, receipt: problem["receipt"]
  })
}
