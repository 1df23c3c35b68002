// Goal: sequence, order and time of a delivered message are read from its reply subject, in both forms the server has.
// Method: the two forms as nats-server 2.15 writes them, and what is none.
import { assert, describe, it } from "@effect/vitest"
import { parseDelivery } from "../../src/nats/orderedReader.ts"

describe("delivery subject", () => {
  it("short form", () => {
    assert.deepStrictEqual(parseDelivery("$JS.ACK.LOG.read_1.1.4711.12.1795395732660467760.3"), { seq: 4711, delivery: 12, time: 1_795_395_732_660 })
  })
  it("form with domain and account", () => {
    assert.deepStrictEqual(parseDelivery("$JS.ACK.hub.ACCHASH.LOG.read_1.1.4711.12.1795395732660467760.3.rnd"), { seq: 4711, delivery: 12, time: 1_795_395_732_660 })
  })
  it("a heartbeat's or flow control's reply is none", () => {
    assert.isUndefined(parseDelivery("$JS.FC.LOG.read_1.abc"))
  })
})
