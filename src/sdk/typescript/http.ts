import { MaestraError, problemOf } from "./problems.ts"

/** Longest answer read whole, characters: a sync's changes and a commit's head fit many times. */
const answerMaxLength = 32 * 1024 * 1024
/** How long an answer may take to begin, where the caller does not say. Milliseconds. */
const patienceMillis = 30_000

export interface Request {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** JSON, unless `type` says otherwise. */
  readonly body?: string
  readonly type?: string
  readonly bearer?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  readonly patienceMillis?: number
}

/** One request. A token follows no redirect to somebody else. Throws `MaestraError`, with the hint the backend gave. */
export const request = async (fetching: typeof fetch, url: string, { bearer, body, headers = {}, method, signal, type = "application/json" }: Request): Promise<Response> => {
  const response = await fetching(url, {
    method,
    redirect: "error",
    ...(signal === undefined ? {} : { signal }),
    headers: { ...headers, ...(body === undefined ? {} : { "content-type": type }), ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }) },
    ...(body === undefined ? {} : { body })
  }).catch(() => {
    throw unreachable(url)
  })
  if (response.ok) return response
  throw refusal(url, response, await response.text().catch(() => ""))
}

/** The same, with a JSON answer. */
export const call = async (fetching: typeof fetch, url: string, given: Request): Promise<unknown> => {
  const patience = AbortSignal.timeout(given.patienceMillis ?? patienceMillis)
  const response = await request(fetching, url, { ...given, signal: given.signal === undefined ? patience : AbortSignal.any([given.signal, patience]) })
  const text = await response.text().catch(() => {
    throw unreachable(url)
  })
  const json = text.length > answerMaxLength ? undefined : jsonOf(text)
  if (json === undefined) throw refusal(url, response, "")
  return json
}

const unreachable = (url: string) => new MaestraError("unreachable", `${new URL(url).origin} does not answer`, { hint: "It is tried again by itself." })

const refusal = (url: string, { headers, status }: Response, text: string): MaestraError => {
  const retryMillis = Number(headers.get("retry-after") ?? 0) * 1000
  return problemOf(jsonOf(text), { status, detail: `${new URL(url).origin} answered ${status}`, retryMillis: Number.isFinite(retryMillis) ? retryMillis : 0 })
}

export const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
