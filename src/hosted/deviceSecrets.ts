import { Duration } from "effect"
import { isoTime } from "../../streams/time.ts"
import { fromBase64url, toBase64url } from "../security/digest.ts"
import { keyGrace } from "../security/handovers.ts"
import { companionKey } from "../security/sessionToken.ts"
import type { Device, TenantRecord } from "./TenantRecord.ts"

/** Secrets of a device in their grace at once: more rotations than that in seven days, and the oldest ends early. */
const previousMax = 8

type Secrets = Pick<Device, "secret" | "previous_secrets">

/** What a device's own sessions may be signed with at `now` (milliseconds since 1970): its secret, and the earlier ones in their grace. */
export const secretsOf = ({ previous_secrets = [], secret }: Secrets, now: number): ReadonlyArray<Uint8Array> =>
  [secret, ...previous_secrets.filter(({ until }) => isoTime(now) < until).map(({ secret }) => secret)].map((text) => fromBase64url(text)!)

/** The same of a companion, whose keys come from its local backend's secrets; none where that backend is not known. */
export const sessionKeysOf = (record: Pick<TenantRecord, "devices">, { backend_id, companion_of }: Pick<Device, "backend_id" | "companion_of">, now: number): ReadonlyArray<Uint8Array> => {
  const holder = record.devices.find((device) => device.backend_id === (companion_of ?? backend_id))
  const secrets = holder === undefined ? [] : secretsOf(holder, now)
  return companion_of === undefined ? secrets : secrets.map((secret) => companionKey(secret, backend_id))
}

/** The device with another secret; sessions signed with the one before are good until its grace ends. */
export const withSecret = <A extends Secrets>(device: A, fresh: Uint8Array, now: number): A => ({
  ...device,
  secret: toBase64url(fresh),
  previous_secrets: [
    { secret: device.secret, until: isoTime(now + Duration.toMillis(keyGrace)) },
    ...(device.previous_secrets ?? []).filter(({ until }) => isoTime(now) < until)
  ].slice(0, previousMax)
})
