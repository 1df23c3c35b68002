// Goal: who reads the streams in another language finds every channel and every event in one document, and it is true.
// Method: generated from the tables and held equal to docs/asyncapi.json; its references lead somewhere; every event type and stream is in it.
import { assert, describe, it } from "@effect/vitest"
import { definitions } from "../../streams/catalog.ts"
import { asyncapi } from "./asyncapi.ts"
import * as golden from "./golden.ts"

const document = asyncapi()

const at = (pointer: string): unknown =>
  pointer.slice(2).split("/").reduce<unknown>((value, name) => typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined, document)

const refsIn = (value: unknown): ReadonlyArray<string> =>
  typeof value !== "object" || value === null ? [] : Object.entries(value).flatMap(([name, inner]) => name === "$ref" ? [String(inner)] : refsIn(inner))

describe("asyncapi", () => {
  it("is the document beside the others", () => golden.matchesJson("../../docs/asyncapi.json", document))

  it("every reference leads somewhere", () => {
    const refs = refsIn(document)
    assert.isAtLeast(refs.length, 40)
    for (const ref of refs) assert.isObject(at(ref), ref)
  })

  it("has every event type, on one log channel and on /events", () => {
    const channels = at("#/channels") as Readonly<Record<string, { readonly messages: Readonly<Record<string, unknown>> }>>
    for (const type of Object.keys(definitions)) {
      assert.lengthOf(Object.entries(channels).filter(([name, { messages }]) => name.startsWith("log") && type in messages), 1, type)
      assert.property(channels["events"]!.messages, type)
    }
  })
})
