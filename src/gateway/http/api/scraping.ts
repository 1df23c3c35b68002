import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { refusals } from "../problems.ts"

/** For Prometheus on this machine, or with the admin token (the local token) from elsewhere. */
export class Scraping extends HttpApiGroup.make("scraping").add(
  HttpApiEndpoint.get("metrics", "/metrics", {
    success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" })),
    error: refusals(401, 403)
  })
) {}
