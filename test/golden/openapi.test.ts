/**
 * Goal: the HTTP contract changes only on purpose.
 * Method: the whole OpenAPI document beside the last one; a changed golden file is the review.
 */
import { assert, describe, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { expect } from "vitest"
import { Api, HostedApi, LocalApi } from "../../src/gateway/http/api.ts"

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
})
