import { conversations } from "./conversations/projection.ts"
import { peers } from "./peers/projection.ts"
import { settings } from "./settings/projection.ts"
import { syncState } from "./syncState/projection.ts"
import { telemetry } from "./telemetry/projection.ts"

/** What every backend keeps. */
export const allProjections = [conversations, peers, settings, syncState, telemetry] as const
