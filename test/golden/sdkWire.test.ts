// Goal: the SDK's plain types say what backends answer.
// Method: the compiler: each type is held against the schema of the contract; what an answer has the SDK may leave out, never the other way round.
import { assert, describe, it } from "@effect/vitest"
import type { Advice } from "../../src/gateway/http/api/advisor.ts"
import type { PrivacySettings } from "../../src/gateway/http/api/privacy.ts"
import type { StoredTelemetry, TelemetryHour } from "../../src/gateway/http/api/telemetry.ts"
import type { Conflict, Conversation, ConversationSummary, Imported, Health, ProgressLine, Write } from "../../src/gateway/http/wire.ts"
import type * as Sdk from "../../src/sdk/typescript/owner/answers.ts"
import type { LocalStatus } from "../../streams/Backend.ts"

/** `true` where an answer fits and holds nothing the SDK's type does not know, but for what it leaves out on purpose. */
type Says<Answer, Type, But extends PropertyKey = never> = [Answer] extends [Type] ? [Exclude<keyof Answer, keyof Type | But>] extends [never] ? true : false : false
const holds = <Checks extends ReadonlyArray<true>>(...checks: Checks) => checks.length

describe("the SDK's types", () => {
  it("are those of the contract", () => {
    const checked = holds<[
      Says<typeof Conversation.Type, Sdk.Conversation>, Says<typeof ConversationSummary.Type, Sdk.ConversationSummary>, Says<(typeof Conversation.Type)["messages"][number], Sdk.Message>,
      Says<typeof Write.Type, Sdk.Write>, Says<typeof Conflict.Type, Sdk.Conflict>,
      Says<typeof Imported.Type, Sdk.Imported>, Says<typeof ProgressLine.Type, Sdk.Progress>, Says<typeof Advice.Type, Sdk.Advice>, Says<typeof PrivacySettings.Type, Sdk.PrivacySettings>,
      Says<typeof StoredTelemetry.Type, Sdk.StoredTelemetry>, Says<typeof TelemetryHour.Type, Sdk.TelemetryHour>, Says<typeof Health.Type, Sdk.Health>,
      Says<LocalStatus, Sdk.LocalStatus>,
      // the other way round: a field an answer does not have is no field
      Says<Sdk.Conversation, typeof Conversation.Type>
    ]>(true, true, true, true, true, true, true, true, true, true, true, true, true, true)
    assert.strictEqual(checked, 14)
  })
})
