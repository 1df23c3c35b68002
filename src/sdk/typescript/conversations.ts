import { v7 } from "uuid"
import type { Stamp } from "../../../streams/Stamp.ts"
import { isoTime } from "../../../streams/time.ts"
import type { Conversation, Maestra } from "./api.ts"
import type { Book } from "./Book.ts"
import type { Link } from "./Link.ts"
import { type Fact, isHidden, type KnownConversation, type KnownMessage, visible } from "./model.ts"
import { makeNames, type Names } from "./Names.ts"
import type { Platform } from "./platform.ts"
import { MaestraError } from "./problems.ts"

interface Parts {
  readonly book: Book
  readonly link: Link
  readonly platform: Platform
  readonly source: string
  readonly surface: string
  /** Told after each write. */
  readonly wrote: () => void
}

type Api = Pick<Maestra, "list" | "get" | "create" | "rename" | "remove" | "append" | "edit" | "removeMessage">

/** Reading and writing, offline: over what is kept here. */
export const conversationsOf = ({ book, link, platform, source, surface, wrote }: Parts): Api => {
  const names = async (): Promise<Names> => {
    const [first] = await link.dataKeys()
    if (first === undefined) throw new MaestraError("not-joined", "there is no data key yet", { hint: "Reach a backend once." })
    return makeNames(first)
  }
  const write = async (id: string, facts: (held: KnownConversation | undefined) => ReadonlyArray<Fact>) => {
    const events = await book.write(await names(), source, id, surface, facts)
    wrote()
    return events
  }
  /** The message as it shows, and the stamp a further write replaces knowingly. */
  const found = (held: KnownConversation | undefined, message: string): KnownMessage & { readonly base: Stamp } => {
    const known = held === undefined || isHidden(held) ? undefined : Object.values(held.messages).find(({ deleted, id }) => id === message && !deleted)
    if (known === undefined) throw new MaestraError("refused", `there is no message ${message}`, { hint: "Read the conversation for the ids it has." })
    return { ...known, base: known.stamp }
  }
  return {
    list: async () => (await book.conversations()).map(shown),
    get: async (id) => {
      const held = await book.conversation(await names(), id)
      return held === undefined ? undefined : shown(held)
    },
    create: async ({ id = v7(), title }) => {
      await write(id, () => [{ type: "conversation.created", data: title === undefined ? {} : { title } }])
      return id
    },
    rename: async (id, title) => void await write(id, () => [{ type: "conversation.renamed", data: { title } }]),
    remove: async (id) => void await write(id, () => [{ type: "conversation.deleted", data: {} }]),
    append: async (id, { content, id: message = v7(), role }) => {
      const timestamp = isoTime(platform.now())
      await write(id, () => [{ type: "message.appended", data: { message_id: message, role, content, timestamp } }])
      return message
    },
    edit: async (id, message, content) =>
      void await write(id, (held) => {
        const { base, role } = found(held, message)
        return [{ type: "message.edited", data: { message_id: message, role, content, timestamp: isoTime(platform.now()), base } }]
      }),
    removeMessage: async (id, message) => void await write(id, (held) => [{ type: "message.deleted", data: { message_id: message, base: found(held, message).base } }])
  }
}

const shown = (held: KnownConversation): Conversation => ({
  id: held.id,
  title: held.title,
  surfaces: held.surfaces,
  lastModified: held.stamp.time,
  messages: visible(held).map(({ content, id, reached, role, surface, timestamp }) => ({ id, role, content, timestamp, surface, reached }))
})
