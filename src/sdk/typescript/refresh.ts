import type { Reached } from "./api.ts"
import type { Book } from "./Book.ts"
import { call } from "./http.ts"
import { type Link, sidesOf, urlOf } from "./Link.ts"
import { makeNames } from "./Names.ts"
import type { Platform } from "./platform.ts"
import { MaestraError } from "./problems.ts"
import { segmentOf } from "../../../streams/paths.ts"

/** A message as `GET /conversations/{id}` shows it, as far as its place is concerned. */
export interface Placed {
  readonly id: string
  readonly version: number
  readonly source_backend_id: string
  readonly tier: Exclude<Reached, "here">
}

/** Ask how far a conversation's messages have come, hosted first, and keep it. Answers whether anything is new. Throws where no side answers. */
export const refreshFrom = async ({ book, link, platform }: { readonly book: Book; readonly link: Link; readonly platform: Platform }, id: string): Promise<boolean> => {
  const [state, [first]] = [await link.state(), await link.dataKeys()]
  if (first === undefined) throw new MaestraError("not-joined", "there is no data key yet", { hint: "Reach a backend once." })
  const names = makeNames(first)
  await names.learn([id])
  let failure: unknown
  for (const side of sidesOf(state).toReversed()) {
    try {
      const { messages } = await call(platform.fetch, `${urlOf(state, side)}/conversations/${segmentOf(names.of(id))}`, { method: "GET", bearer: await link.bearer() }) as { readonly messages: ReadonlyArray<Placed> }
      return await book.placed(names, id, messages.map((message) => ({ ...message, tier: side === "hosted" && message.tier === "local" ? "hosted" : message.tier })))
    } catch (cause) {
      // not there yet: what is here has come as far as it was known to
      if (cause instanceof MaestraError && cause.status === 404) return false
      failure = cause
    }
  }
  throw failure
}
