// Goal: what /docs shows works when it is pasted.
// Method: take the document as a running gateway serves it; send every example in it, then every reading whose path it gives examples for.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeRig, type Rig, secret } from "../support/gatewayRig.ts"
import { modelServer } from "../support/modelServer.ts"

interface Shape {
  readonly $ref?: string
  readonly anyOf?: ReadonlyArray<Shape>
  readonly examples?: ReadonlyArray<unknown>
}
interface Operation {
  readonly parameters?: ReadonlyArray<{ readonly name: string; readonly in: string; readonly required?: boolean; readonly schema: Shape }>
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Shape }>> }
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Shape>> }
}

/** The examples of a shape, wherever it is described. */
const examplesOf = (document: Document, { $ref, anyOf = [], examples = [] }: Shape): ReadonlyArray<unknown> => {
  const referred = $ref === undefined ? undefined : document.components.schemas[$ref.split("/").at(-1)!]
  return [...examples, ...(referred === undefined ? [] : examplesOf(document, referred)), ...anyOf.flatMap((shape) => examplesOf(document, shape))]
}

interface Pasted {
  readonly method: string
  readonly path: string
  readonly body?: unknown
}

/** An operation with the document's own examples in every place that needs something. */
const pasted = (document: Document): ReadonlyArray<Pasted> =>
  Object.entries(document.paths).flatMap(([template, methods]) =>
    Object.entries(methods).flatMap(([method, { parameters = [], requestBody }]): ReadonlyArray<Pasted> => {
      const needed = parameters.filter((parameter) => parameter.in === "path" || parameter.required === true)
      const given = needed.map(({ name, schema }) => [name, examplesOf(document, schema)[0]] as const)
      if (given.some(([, example]) => example === undefined)) return []
      const filled = given.reduce((whole, [name, example]) => whole.replace(`{${name}}`, encodeURIComponent(String(example))), template)
      const asked = new URLSearchParams(given.filter(([name]) => !template.includes(`{${name}}`)).map(([name, example]) => [name, String(example)]))
      const path = asked.size === 0 ? filled : `${filled}?${asked}`
      const schema = requestBody?.content["application/json"]?.schema
      const bodies = schema === undefined ? [] : examplesOf(document, schema)
      return requestBody === undefined ? [{ method: method.toUpperCase(), path }] : bodies.map((body) => ({ method: method.toUpperCase(), path, body }))
    }))

/** What makes things comes first, what removes them last, the inner before the outer. */
const order = ["POST", "PUT", "PATCH", "GET", "DELETE"]
const inOrder = (all: ReadonlyArray<Pasted>) => all.toSorted((a, b) => order.indexOf(a.method) - order.indexOf(b.method) || (a.path.length - b.path.length) * (a.method === "DELETE" ? -1 : 1))

const send = async (rig: Rig, { body, method, path }: Pasted): Promise<number> => {
  const end = new AbortController()
  const { status } = await fetch(`${rig.url}${path}`, {
    method, signal: end.signal,
    headers: { authorization: `Bearer ${secret}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  // event streams have no end
  end.abort()
  return status
}

describe("the examples of /docs", () => {
  it.live("work when pasted", () =>
    Effect.gen(function*() {
      const { url } = yield* modelServer
      const rig = yield* makeRig({ side: "local", advisor: { url, model: "small" } })
      const document = JSON.parse((yield* Effect.promise(() => rig.ask("GET", "/openapi.json"))).text) as Document
      const withBody = inOrder(pasted(document).filter(({ body }) => body !== undefined))
      const reading = inOrder(pasted(document).filter(({ body, method }) => body === undefined && (method === "GET" || method === "DELETE")))
      assert.isAtLeast(withBody.length, 7)
      assert.isAtLeast(reading.length, 15)
      for (const one of [...withBody, ...reading]) {
        const status = yield* Effect.promise(() => send(rig, one))
        assert.isTrue(status >= 200 && status < 300, `${one.method} ${one.path} ${JSON.stringify(one.body)}: ${status}`)
      }
    }))
})
