// Goal: the cluster configuration in infra/ is the one `maestra hosted cluster init --host …` writes.
// Method: rendered by the same code for three example machines, and held equal to the committed files.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { layoutAcross, partitionsDefault, serverOptions } from "../../src/hosted/cluster/layout.ts"
import { renderServerConfig } from "../../src/nats/hubConfig.ts"
import * as golden from "./golden.ts"

const layout = layoutAcross(partitionsDefault, ["hub-1.example.org", "hub-2.example.org", "hub-3.example.org"])

describe("infra/cluster", () => {
  it("has one file for each server", () => {
    assert.deepStrictEqual(golden.filesIn("../../infra/cluster"), layout.servers.map(({ name }) => `${name}.conf`))
  })

  it.effect.each([...layout.servers])("$name is as the code writes it", (server) =>
    Effect.map(renderServerConfig(serverOptions(layout, "unused", server)), (text) => golden.matches(`../../infra/cluster/${server.name}.conf`, text)))
})
