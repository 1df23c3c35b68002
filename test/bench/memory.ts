import { readFileSync } from "node:fs"
import type { Backend } from "../support/world.ts"
import { type Row, row } from "./Row.ts"

/** Resident memory of a process, MB (10^6 bytes), as the kernel counts it. */
const residentMb = (pid: number): number => {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
  if (kib === undefined) throw new Error(`no memory figure for ${pid}`)
  return Number(kib) * 1024 / 1e6
}

export const measureMemory = (local: Backend, hosted: Backend, note: string): ReadonlyArray<Row> =>
  ([["rss_local_mb", local], ["rss_hosted_mb", hosted]] as const).map(([name, backend]) =>
    row(name, residentMb(backend.pid()), "MB", null, `the Node process after everything above; its nats-server beside it ${Math.round(residentMb(backend.natsPid()))} MB; ${note}`))
