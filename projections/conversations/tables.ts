/**
 * Stamps are three numbers: lamport, packed time (`packedTime.ts`), and the source's word. Fifteen bytes where the
 * text has 118. Sources have no order as numbers, so stamps are compared in one place only: `streams/Stamp.ts`.
 *
 * `shared` is a thing's id in the log and its key here, so that the digest's order is an index and events of others
 * need no translation; `local` is what this machine calls it, where that is another word.
 */
export const conversationTables = [
  `create table conversation (
     id integer primary key,
     tenant integer not null,
     shared text not null,
     hidden integer not null,            -- 1: its deletion is the greatest stamp in it, or retention left nothing
     lamport integer not null, time integer not null, source integer not null,  -- greatest stamp; zeros: nothing left
     messages integer not null,          -- visible ones
     aliases integer not null,           -- 1: some message has a local id
     withheld integer not null,          -- 1: some write stays here, so the shared form is computed from history
     expired integer not null,           -- events below this place in the log have left it
     local text,
     titled integer, title_lamport integer, title_time integer, title_source integer  -- the write that gave the title
   ) strict`,
  "create unique index conversation_shared on conversation (tenant, shared)",
  "create index conversation_local on conversation (tenant, local) where local is not null",
  "create index conversation_newest on conversation (tenant, lamport, time, shared, messages) where hidden = 0",
  `create table conversation_surface (
     conversation integer not null, surface integer not null, primary key (conversation, surface)
   ) strict, without rowid`,

  `create table message (
     id integer primary key,
     conversation integer not null,
     shared text not null,
     shown integer not null,             -- the write that shows: the greatest; 0: retention left none
     lamport integer not null, time integer not null, source integer not null,  -- its stamp
     deleted integer not null,
     mixed integer not null,             -- 1: more than one source wrote; else nothing here can conflict
     conflicted integer not null,        -- 1: has rows in conflict
     edit_first integer not null,        -- 1: no append is known; the place is the first write's
     local text,
     place_lamport integer, place_time integer, place_source integer,  -- place in the conversation; null: shown's stamp
     base_lamport integer, base_time integer, base_source integer      -- greatest base of any write: settled up to here
   ) strict`,
  "create unique index message_shared on message (conversation, shared)",
  "create index message_local on message (conversation, local) where local is not null",

  // every write ever taken; `message` is null for writes to the conversation itself, whose content is the title
  `create table write (
     id integer primary key,             -- the event's ref
     conversation integer not null,
     message integer,
     kind integer not null,
     lamport integer not null, time integer not null, source integer not null,
     surface integer not null,
     event blob not null,
     content text,
     role integer,
     timestamp text,                     -- null: equal to time
     base_lamport integer, base_time integer, base_source integer,
     shared text, shared_role text       -- what others see, where redaction made it different
   ) strict`,
  "create index write_register on write (conversation, message, lamport)",

  // writes in a conflict nothing has settled yet; stamp: the greatest greater write of a pair this one is in
  `create table conflict (
     tenant integer not null, message integer not null, write integer not null,
     lamport integer not null, time integer not null, source integer not null,
     primary key (tenant, message, write)
   ) strict, without rowid`
]

/** Raise it with any change of the tables above, of `searchTables`, or of what they mean. */
export const conversationShape = 3

/** `write.kind`. */
export const kinds = {
  "conversation.created": 1,
  "conversation.renamed": 2,
  "conversation.deleted": 3,
  "message.appended": 4,
  "message.edited": 5,
  "message.deleted": 6
} as const
export type Kind = keyof typeof kinds
