import { defaultPlatform } from "../platform.ts"
import { call, type Request as Sent, request } from "../http.ts"
import { MaestraError } from "../problems.ts"

/** Where a backend is, and what lets in there: the local token, an owner's session, or an admin token. */
export interface Access {
  /** Scheme, host and port, without a slash at the end. */
  readonly url: string
  /** Read at each request: where it is renewed, the next request has the new one. */
  readonly token: string
  readonly fetch?: typeof fetch
}

export interface Asked {
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: unknown
  readonly signal?: AbortSignal
  readonly headers?: Readonly<Record<string, string>>
  /** How long the answer may take, milliseconds; half a minute by default. */
  readonly patienceMillis?: number
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE"

/** One request and its JSON answer, whose shape is the contract's. Throws `MaestraError`. */
export type Request = <A>(method: Method, path: string, asked?: Asked) => Promise<A>

/** A caller of one backend with one token. */
export const requestsTo = (access: Access): Request =>
  async <A>(method: Method, path: string, { body, query = {}, ...more }: Asked = {}) =>
    await call(access.fetch ?? defaultPlatform.fetch, `${access.url}${path}${queryOf(query)}`, { method, bearer: access.token, ...(body === undefined ? {} : { body: JSON.stringify(body) }), ...more }) as A

/** One request whose answer comes in parts. */
export const streamFrom = async ({ fetch: fetching = defaultPlatform.fetch, token, url }: Access, method: Method, path: string, { query = {}, ...more }: Omit<Sent, "method" | "bearer"> & Pick<Asked, "query"> = {}): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> => {
  const { body } = await request(fetching, `${url}${path}${queryOf(query)}`, { method, bearer: token, ...more })
  if (body === null) throw new MaestraError("refused", "this platform's fetch does not stream", { hint: "Give one that does as fetch." })
  return body
}

export const queryOf = (query: NonNullable<Asked["query"]>): string => {
  const given = Object.entries(query).flatMap(([name, value]) => value === undefined ? [] : [[name, String(value)]])
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`
}
