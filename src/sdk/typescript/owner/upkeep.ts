import { call } from "../http.ts"
import { defaultPlatform } from "../platform.ts"
import { MaestraError } from "../problems.ts"
import type { Imported, Page, Progress, StoredTelemetry } from "./answers.ts"
import { type Access, queryOf, requestsTo, streamFrom } from "./Requests.ts"

/** Whole sets at once, on either side. `tenant`: whose, where an operator asks. */
export interface Upkeep {
  readonly digest: () => Promise<{ readonly conversations: number; readonly messages: number; readonly digest: string }>
  /** JSON lines, at most 4 MiB at once. On a local backend. */
  readonly importLines: (lines: string) => Promise<Imported>
  /** Every conversation as JSON lines: what a download is made of. */
  readonly exportStream: () => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>
  /** Everything this side holds, as one tar with a README and checksums; `importLines` and `maestra import` take its conversations back. */
  readonly archiveStream: () => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>
  /** Check the whole log again; the last progress has `result: {ok, …}`. */
  readonly verify: (onProgress?: (progress: Progress) => void) => Promise<Progress>
  readonly rebuild: (onProgress?: (progress: Progress) => void) => Promise<Progress>
  readonly telemetry: (about: { readonly limit?: number; readonly cursor?: string; readonly source?: string; readonly type?: string; readonly since?: string }) => Promise<Page<StoredTelemetry>>
}

/** Slower than any of this takes. Milliseconds. */
const patienceMillis = 3_600_000

/** `surface`: where the person sits. */
export const upkeepOf = (access: Access, { surface, tenant }: { readonly surface: string; readonly tenant?: string }): Upkeep => {
  const request = requestsTo(access)
  const query = { tenant }
  const work = async (path: string, onProgress: (progress: Progress) => void = () => undefined): Promise<Progress> => {
    for await (const line of linesOf(await streamFrom(access, "POST", path, { query }))) {
      onProgress(line)
      if (line.done) return line
    }
    throw new MaestraError("unreachable", "the work broke off", { hint: "Ask for it again." })
  }
  return {
    digest: () => request("GET", "/digest", { query }),
    importLines: async (lines) =>
      await call(access.fetch ?? defaultPlatform.fetch, `${access.url}/import${queryOf({ surface })}`, { method: "POST", body: lines, type: "application/x-ndjson", bearer: access.token, patienceMillis }) as Imported,
    archiveStream: () => streamFrom(access, "POST", "/privacy/export", { query }),
    exportStream: () => streamFrom(access, "GET", "/export", { query }),
    verify: (onProgress) => work("/verify", onProgress),
    rebuild: (onProgress) => work("/rebuild", onProgress),
    telemetry: async (about) => {
      const { events, next_cursor } = await request<{ readonly events: ReadonlyArray<StoredTelemetry>; readonly next_cursor: string | null }>("GET", "/telemetry", { query: { ...about, tenant } })
      return { items: events, next: next_cursor }
    }
  }
}

/** Lines of JSON as they come. */
async function* linesOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Progress> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const lines = (text + value).split("\n")
    text = lines.pop()!
    for (const line of lines) if (line !== "") yield JSON.parse(line) as Progress
  }
}
