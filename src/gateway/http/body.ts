import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http"
import { bodyMaxBytes } from "../../../streams/limits.ts"
import { type Check, contentTooLarge } from "../checks.ts"
import { type Problem, problem } from "./problems.ts"

type Request = HttpServerRequest.HttpServerRequest

export const bodyTooLarge = (bodyMax: number = bodyMaxBytes): Problem =>
  problem("body-too-large", `The body is larger than ${bodyMax} bytes.`, "Send it in smaller parts.")

/** The whole body, at most `bodyMaxBytes` (the guard sets the limit). */
export const bytesOf = (request: Request): Effect.Effect<Uint8Array, Problem> =>
  request.arrayBuffer.pipe(
    Effect.map((buffer) => new Uint8Array(buffer)),
    Effect.mapError((error) =>
      error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge"
        ? bodyTooLarge()
        : invalid("", "The body could not be read to its end.", "Send the request again.")
    )
  )

export type Body = Readonly<Record<string, unknown>>

/** A JSON object. An empty body is one without fields. Bytes that are not UTF-8 are refused, not replaced. */
export const jsonOf = (request: Request): Effect.Effect<Body, Problem> =>
  Effect.flatMap(bytesOf(request), (bytes) => {
    let value: unknown
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
      value = text.trim() === "" ? {} : JSON.parse(text)
    } catch {
      return Effect.fail(invalid("", "The body is not JSON in UTF-8.", "Send a JSON object with content-type application/json."))
    }
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? Effect.succeed(value as Body)
      : Effect.fail(invalid("", "The body is not a JSON object.", "Wrap the fields in { }."))
  })

export const invalid = (field: string, detail: string, hint: string): Problem =>
  problem("invalid-request", detail, hint, field === "" ? {} : { field })

/** A field that must be there and pass. */
export const required = (body: Body, field: string, check: Check): Effect.Effect<string, Problem> => {
  const why = check(body[field])
  return why === undefined ? Effect.succeed(body[field] as string) : Effect.fail(faulty(field, body[field], why))
}

/** A field that may be absent or `null`. */
export const optional = (body: Body, field: string, check: Check): Effect.Effect<string | undefined, Problem> =>
  body[field] === undefined || body[field] === null ? Effect.undefined : required(body, field, check)

/** A value from the path that must pass. */
export const checked = (field: string, value: string, check: Check): Effect.Effect<string, Problem> => {
  const why = check(value)
  return why === undefined ? Effect.succeed(value) : Effect.fail(faulty(field, value, why))
}

const faulty = (field: string, value: unknown, why: string): Problem =>
  why === contentTooLarge
    ? problem("content-too-large", `${field} is ${why}.`, "Split it into several messages.", { field })
    : invalid(
      field,
      value === undefined ? `${field} is missing.` : `${field} ${why}.`,
      `Send ${field} as described in /openapi.json; the rest of the request was not looked at.`
    )
