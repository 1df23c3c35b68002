import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { homedir } from "node:os"
import { join, resolve } from "node:path"

/** Which backend a command talks to, and the name of its folder under the data directory. */
export type Side = "local" | "hosted"

/** `--json`, on every command: one JSON document or JSON lines on stdout, stable across releases. */
export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(Flag.withDescription("JSON on stdout, for scripts"), Flag.withDefault(false))
})

/** `--data-dir`, then MAESTRA_DATA_DIR, then `~/.8825`. */
export const DataDir = GlobalFlag.Setting("data-dir")({
  flag: Flag.String("data-dir").pipe(
    Flag.withDescription("Folder with local/ and hosted/ (MAESTRA_DATA_DIR, default ~/.8825)"),
    Flag.withFallbackConfig(Config.NonEmptyString("MAESTRA_DATA_DIR")),
    Flag.withDefault("")
  )
})

/** The data directory as an absolute path; `otherwise` where neither flag nor environment says. */
export const dataDirOr = (otherwise: string) => Effect.map(DataDir, (given) => resolve(given === "" ? otherwise : given))

/** `<data dir>/<local|hosted>`. */
export const sideDir = (side: Side) => Effect.map(dataDirOr(join(homedir(), ".8825")), (dir) => join(dir, side))

/** A port: flag, then environment, then the default; 0 picks a free one. */
export const port = (name: string, variable: string, otherwise: number, what: string) =>
  Flag.Int(name).pipe(
    Flag.filter((value) => value >= 0 && value <= 65_535, (value) => `Expected a port from 0 (any free one) to 65535, got ${value}`),
    Flag.withDescription(`${what} (${variable}, default ${otherwise}${otherwise === 0 ? ": any free one" : "; 0 picks a free one"})`),
    Flag.withFallbackConfig(Config.Int(variable)),
    Flag.withDefault(otherwise)
  )
