import { call } from "../problems.ts"

/** Where a backend is, and what lets in there: the local token, an owner's session, or an admin token. */
export interface Access {
  /** Scheme, host and port, without a slash at the end. */
  readonly url: string
  readonly token: string
  readonly fetch?: typeof fetch
}

export interface Asked {
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: unknown
  readonly signal?: AbortSignal
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE"

/** One request and its JSON answer, whose shape is the contract's. Throws `MaestraError`. */
export type Request = <A>(method: Method, path: string, asked?: Asked) => Promise<A>

/** A caller of one backend with one token. */
export const requestsTo = ({ fetch: fetching = (...request) => globalThis.fetch(...request), token, url }: Access): Request =>
  async <A>(method: Method, path: string, { body, query = {}, signal }: Asked = {}) =>
    await call(fetching, `${url}${path}${queryOf(query)}`, {
      method, bearer: token,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal })
    }) as A

const queryOf = (query: NonNullable<Asked["query"]>): string => {
  const given = Object.entries(query).flatMap(([name, value]) => value === undefined ? [] : [[name, String(value)]])
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`
}

/** An id as a part of a path. `.` and `..` would be eaten by URL resolution; `~.` stands for them on the wire. */
export const segmentOf = (id: string): string => /^~*\.{1,2}$/.test(id) ? `~${id}` : encodeURIComponent(id)
