import { companionCode, openSurface, pairingCode, type Surface } from "../companion.ts"
import { until } from "../world.ts"
import type { Dice } from "./load.ts"
import type { Stage, SurfaceKind } from "./stage.ts"

/** Somebody who writes on a phone or in a browser all the time, through the SDK. */
export interface Typing {
  /** Everything that was typed, each once; the surface kept it when `append` or `edit` returned. */
  readonly typed: ReadonlyArray<string>
  /** No more writes; returns when all of it is in the log, or says why it is not. */
  readonly settle: () => Promise<string | undefined>
  /** What it shows, for comparison: message id and content, in reading order. */
  readonly shown: (conversation: string) => Promise<ReadonlyArray<readonly [string, string]>>
}

/** Between two writes, on average. */
const usualPauseMs = 400
const settleMs = 90_000

/** What surfaces write into: nobody else does, so that all of it can be told apart. */
export const typedConversation = "typed"

const join = async (stage: Stage, kind: SurfaceKind): Promise<Surface> => {
  const [home] = stage.locals
  const surface = await openSurface(kind)
  if (kind === "web") await surface.joinHosted(await pairingCode(stage.hub, "ada"))
  else {
    // a phone at the desk's network only
    if (kind === "android") for (const backend of stage.hosted) surface.wire.cut.add(new URL(backend.url()).origin)
    await surface.joinLocal(home!.url(), await companionCode(home!))
  }
  return surface
}

export const startTyping = async (stage: Stage, kind: SurfaceKind, dice: Dice, pauseMs = usualPauseMs): Promise<Typing> => {
  const surface = await join(stage, kind)
  const typed: Array<string> = []
  const messages: Array<string> = []
  let over = false
  let last = ""
  const sync = () => surface.sync().then(() => { last = "" }, (error: Error) => { last = error.message })
  const write = async () => {
    while (!over) {
      await new Promise((wait) => setTimeout(wait, pauseMs * (0.5 + dice.below(100) / 100)))
      const content = `typed ${typed.length} on ${kind}`
      const known = messages.length > 0 && dice.chance(0.3) ? dice.pick(messages) : undefined
      if (known === undefined) messages.push(await surface.append(typedConversation, { role: "user", content }))
      else await surface.edit(typedConversation, known, content)
      typed.push(content)
      await sync()
    }
  }
  const writing = write()
  return {
    typed,
    settle: async () => {
      over = true
      await writing
      let left = typed.length
      return await until(async () => {
        await sync()
        left = (await surface.status()).pending
        return left === 0 && last === ""
      }, settleMs).then(() => undefined, () => `${kind}: ${left} writes have not come further than the surface: ${last}`)
    },
    shown: async (conversation) => {
      await sync()
      return (await surface.get(conversation))?.messages.map(({ content, id }) => [id, content] as const) ?? []
    }
  }
}
