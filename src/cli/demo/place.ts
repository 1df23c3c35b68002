import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { failed } from "../failure.ts"
import { prepareFolder, writeWhole } from "../serving/folder.ts"
import { freePort, freePorts } from "../serving/ports.ts"

/** The three backends of the demo, in the order they are started and shown. */
export const names = ["hosted", "laptop", "desktop"] as const
export type Name = typeof names[number]

/** What the demo keeps between starts, `demo.json`, mode 0600: the devices know hosted by its ports. */
const Kept = Schema.Struct({
  keystore_passphrase: Schema.String,
  master_key: Schema.String,
  ports: Schema.Struct({ hosted: Schema.Int, leaf: Schema.Int, laptop: Schema.Int, desktop: Schema.Int }),
  tenant: Schema.NullOr(Schema.String)
})
type Kept = typeof Kept.Type

export interface Place extends Kept {
  readonly dir: string
  /** The data directory of one backend. */
  readonly folder: (name: Name) => string
  readonly isNew: boolean
}

const secretBytes = 32
const secret = () => randomBytes(secretBytes).toString("base64url")
const fileOf = (dir: string) => join(dir, "demo.json")

/** The demo's folder as the last start left it, or a new one. */
export const openPlace = Effect.fnUntraced(function*(dir: string) {
  const fs = yield* FileSystem.FileSystem
  yield* prepareFolder(dir)
  const text = yield* fs.readFileString(fileOf(dir)).pipe(Effect.option)
  if (Option.isSome(text)) {
    const kept = yield* Schema.decodeEffect(Schema.fromJsonString(Kept))(text.value).pipe(
      Effect.mapError(() => failed("demo-unreadable", `${fileOf(dir)} is damaged, and holds the keys of this demo`, `Delete ${dir} to begin anew; its conversations go with it.`))
    )
    return place(dir, kept, false)
  }
  const [hosted, leaf, laptop, desktop] = yield* freePorts(4)
  const kept: Kept = {
    keystore_passphrase: secret(),
    master_key: secret(),
    ports: { hosted: hosted ?? 0, leaf: leaf ?? 0, laptop: laptop ?? 0, desktop: desktop ?? 0 },
    tenant: null
  }
  yield* keep(dir, kept)
  return place(dir, kept, true)
})

/** Remember whose conversations hosted holds. */
export const keepTenant = (at: Place, tenant: string) => changed(at, { tenant })

/** Another port for a device whose port another program has taken since the last start: nobody has that one written down. */
export const withFreePorts = Effect.fnUntraced(function*(at: Place) {
  const orAnother = (port: number) =>
    freePort(port, "--port").pipe(Effect.catchIf(({ type }) => type === "port-taken", () => freePort(0, "--port")))
  const [laptop, desktop] = [yield* orAnother(at.ports.laptop), yield* orAnother(at.ports.desktop)]
  return yield* changed(at, { ports: { ...at.ports, laptop, desktop } })
})

const changed = (at: Place, to: Partial<Kept>) => {
  const { keystore_passphrase, master_key, ports, tenant } = { ...at, ...to }
  return Effect.as(keep(at.dir, { keystore_passphrase, master_key, ports, tenant }), { ...at, ...to })
}

const place = (dir: string, kept: Kept, isNew: boolean): Place => ({ ...kept, dir, folder: (name) => join(dir, name), isNew })

const keep = (dir: string, kept: Kept) => writeWhole(fileOf(dir), `${JSON.stringify(kept, null, 2)}\n`)
