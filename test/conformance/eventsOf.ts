import { strictEqual } from "node:assert"
import type { Client, Json } from "./Client.ts"

/** The first `count` events of a stream; fails after ten seconds. */
export const eventsOf = async (client: Client, path: string, count: number): Promise<ReadonlyArray<{ readonly id: string; readonly event: Json }>> => {
  const response = await fetch(`${client.url}${path}`, { headers: { authorization: `Bearer ${await client.bearer()}` }, signal: AbortSignal.timeout(10_000) })
  strictEqual(response.status, 200)
  const found: Array<{ id: string; event: Json }> = []
  let text = ""
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const frames = text.split("\n\n")
    text = frames.pop()!
    for (const frame of frames) {
      const [, id] = /^id: (.*)$/m.exec(frame) ?? []
      const [, data] = /^data: (.*)$/m.exec(frame) ?? []
      if (id !== undefined && data !== undefined) found.push({ id, event: JSON.parse(data) as Json })
    }
    if (found.length >= count) break
  }
  return found.slice(0, count)
}
