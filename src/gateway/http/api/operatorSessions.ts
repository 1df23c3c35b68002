import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { OperatorSession } from "../../../../streams/Access.ts"
import { Operator } from "../caller.ts"
import { refusals } from "../problems.ts"
import { endQuery, SessionEnded } from "../wire.ts"

const Session = OperatorSession.annotate({ identifier: "OperatorSession" })

/** How an operator's browser gets in, without a token in anybody's hands. */
export class OperatorSessions extends HttpApiGroup.make("operatorSessions").add(
  HttpApiEndpoint.post("operatorCode", "/operator-codes", {
    success: Schema.Struct({ code: Schema.String, public_url: Schema.String, expires_at: Schema.String }).pipe(HttpApiSchema.status(201)),
    error: refusals(409, 503)
  }).middleware(Operator),
  /** A code of `maestra hosted open` for a bearer token of the scope it was asked for with, for eight hours. */
  HttpApiEndpoint.post("operatorSession", "/operator-sessions", {
    payload: Schema.Struct({ code: Schema.String.check(Schema.isMaxLength(128)) }),
    success: Session,
    error: refusals(401, 409, 413, 429, 503)
  }),
  /** Eight hours more, so that a page that stays open stays in. */
  HttpApiEndpoint.post("renewOperatorSession", "/operator-sessions/renew", { success: Session, error: refusals(409, 503) }).middleware(Operator),
  /** The session that asks opens nothing any more, on any process, nor do its open streams go on. `all`: nor any other that its token let in. */
  HttpApiEndpoint.post("endOperatorSession", "/operator-sessions/end", { query: endQuery, success: SessionEnded, error: refusals(503) }).middleware(Operator)
) {}
