/** Why something did not work, with what to do now. What was written is kept in every case. */
export class MaestraError extends Error {
  /**
   * `not-joined`: join a backend first. `unreachable`: no answer, tried again by itself. `refused`: a backend said no, see
   * `hint`. `later`: too much or too busy, tried again after `retryMillis`.
   */
  readonly kind: "not-joined" | "unreachable" | "refused" | "later"
  /** The problem's stable name, where a backend gave one: `urn:maestra:problem:…`. */
  readonly type: string
  readonly status: number
  readonly hint: string
  readonly retryMillis: number

  constructor(kind: MaestraError["kind"], message: string, about: { readonly type?: string; readonly status?: number; readonly hint?: string; readonly retryMillis?: number } = {}) {
    super(message)
    this.name = "MaestraError"
    this.kind = kind
    this.type = about.type ?? ""
    this.status = about.status ?? 0
    this.hint = about.hint ?? ""
    this.retryMillis = about.retryMillis ?? 0
  }
}

/** Longest answer read, characters: a sync's changes and a commit's head fit many times. */
const answerMaxLength = 32 * 1024 * 1024

export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly body?: string
  readonly bearer?: string
  readonly signal?: AbortSignal
}

const patienceMillis = 30_000

/** One request with a JSON answer. A token follows no redirect to somebody else. Throws `MaestraError`. */
export const call = async (fetching: typeof fetch, url: string, { bearer, body, method, signal }: Call): Promise<unknown> => {
  const patience = AbortSignal.timeout(patienceMillis)
  const { status, text, retryAfter } = await fetching(url, {
    method,
    redirect: "error",
    signal: signal === undefined ? patience : AbortSignal.any([signal, patience]),
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }) },
    ...(body === undefined ? {} : { body })
  }).then(async (response) => ({ status: response.status, retryAfter: response.headers.get("retry-after"), text: await response.text() }), () => {
    throw new MaestraError("unreachable", `${new URL(url).origin} does not answer`, { hint: "It is tried again by itself." })
  })
  const json = text.length > answerMaxLength ? undefined : jsonOf(text)
  if (status >= 200 && status < 300 && json !== undefined) return json
  const problem = typeof json === "object" && json !== null ? json as Readonly<Record<string, unknown>> : {}
  const textOf = (field: string) => typeof problem[field] === "string" ? problem[field] : ""
  const retryMillis = Number(retryAfter ?? 0) * 1000
  throw new MaestraError(status === 429 || status >= 500 ? "later" : "refused", textOf("detail") || `${new URL(url).origin} answered ${status}`, {
    type: textOf("type"), status, hint: textOf("hint"), ...(Number.isFinite(retryMillis) ? { retryMillis } : {})
  })
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
