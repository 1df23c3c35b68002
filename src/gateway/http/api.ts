import { HttpApi, OpenApi } from "effect/http-api"
import { version } from "../../../streams/version.ts"
import { AdvisorKeys, AdvisorQuestions } from "./api/advisor.ts"
import { Conversations, Messages } from "./api/conversations.ts"
import { Log } from "./api/log.ts"
import { Observing } from "./api/observing.ts"
import { Hosted, Local, Operations, Tools } from "./api/operations.ts"
import { OperatorSessions } from "./api/operatorSessions.ts"
import { Privacy } from "./api/privacy.ts"
import { Scraping } from "./api/scraping.ts"
import { Companions, Sync } from "./api/sync.ts"
import { System } from "./api/system.ts"
import { Telemetry, TelemetryStream } from "./api/telemetry.ts"
import { Tokens } from "./api/tokens.ts"
import { Problems } from "./caller.ts"

const about = OpenApi.annotations({
  title: "Maestra Sync",
  version,
  description: "Conversations, their history and their events. Local and hosted backends speak the same."
})

const shared = HttpApi.make("maestra").add(System, Conversations, Messages, Log, Sync, Telemetry, TelemetryStream, Operations, Tools, Observing, Scraping, Privacy)

/** What a local backend serves. */
export class LocalApi extends shared.add(Local, Companions, AdvisorQuestions, AdvisorKeys).middleware(Problems).annotateMerge(about) {}

/** What a hosted backend serves. */
export class HostedApi extends shared.add(Hosted, Tokens, OperatorSessions).middleware(Problems).annotateMerge(about) {}

/** The whole contract, both sides: what clients are generated from and the golden file holds. */
export class Api extends shared.add(Local, Companions, AdvisorQuestions, AdvisorKeys, Hosted, Tokens, OperatorSessions).middleware(Problems).annotateMerge(about) {}
