/**
 * Goal: the HTTP contract changes only on purpose.
 * Method: the whole OpenAPI document beside the last one; a changed golden file is the review.
 */
import { assert, describe, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { expect } from "vitest"
import { Api, HostedApi, LocalApi } from "../../src/gateway/http/api.ts"
import { Operator } from "../../src/gateway/http/caller.ts"
import { isScoped } from "../../src/gateway/http/scopes.ts"

describe("openapi", () => {
  it("the contract of both sides", async () => {
    await expect(`${JSON.stringify(OpenApi.fromApi(Api), null, 1)}\n`).toMatchFileSnapshot("openapi.json")
  })

  it("each side serves a part of it, and together they serve all", () => {
    const operations = (document: OpenApi.OpenAPISpec) =>
      Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`))
    const whole = operations(OpenApi.fromApi(Api))
    const parts = new Set([...operations(OpenApi.fromApi(LocalApi)), ...operations(OpenApi.fromApi(HostedApi))])
    assert.deepStrictEqual([...parts].sort(), [...whole].sort())
    assert.isAtLeast(whole.length, 30)
  })

  it("what the operator alone may do has a scope in the table", () => {
    const operators = Object.values(HostedApi.groups).flatMap((group) =>
      Object.values(group.endpoints).filter(({ middlewares }) => middlewares.has(Operator)).map(({ identifier }) => [group.identifier, identifier] as const))
    assert.isAtLeast(operators.length, 20)
    assert.deepStrictEqual(operators.filter(([group, name]) => !isScoped(group, name)), [])
  })
})
