import * as Flag from "effect/cli/Flag"
import { pageMax } from "../../streams/limits.ts"

/** `--limit`: how much of a list to show; no more than a backend gives in one page. */
export const limitFlag = (otherwise: number) =>
  Flag.Int("limit").pipe(
    Flag.filter((limit) => limit >= 1 && limit <= pageMax, (limit) => `Expected 1 to ${pageMax}, got ${limit}`),
    Flag.withDescription(`How many at most (default ${otherwise})`),
    Flag.withDefault(otherwise)
  )

/** `--cursor`: where to go on. */
export const cursorFlag = Flag.String("cursor").pipe(Flag.withDescription("Go on where an earlier page ended"), Flag.optional)
