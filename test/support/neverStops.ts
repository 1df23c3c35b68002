// Run by cliServing.test.ts: a backend with a part whose end never comes.
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { asText, logging, notStarted, stay } from "../../src/cli/serving/serve.ts"

NodeRuntime.runMain(stay({
  name: "stubborn backend",
  side: "local",
  layer: () => Layer.effectDiscard(Effect.addFinalizer(() => Effect.never)),
  failed: (error) => notStarted("local", error),
  ready: Effect.sync(() => void process.stdout.write("ready\n")),
  stopMaxMillis: 300
}).pipe(Effect.provide([NodeServices.layer, logging(asText)])))
