/**
 * Every bound this system puts on what it takes in, with its unit and the reason.
 * Full or too large means refused with a sentence, never dropped in silence.
 */
const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

/** One message's content, UTF-8, before redaction: the longest answers of today's models fit ten times over. */
export const contentMaxBytes = 512 * KiB
/** A conversation title, UTF-8: a line on a screen, and room for a naughty one. */
export const titleMaxBytes = 16 * KiB
/**
 * Redaction can lengthen a text: the shortest address, `a@b.co`, becomes `[REDACTED_EMAIL]`. What is stored may be this
 * many times as long as what is taken in.
 */
export const redactionGrowthMax = 3
/** Ids a caller chooses (conversation, message), UTF-8. */
export const idMaxBytes = 512
/** Role and surface names, characters. */
export const nameMaxLength = 64
/** Session ids and W3C trace parents, characters. */
export const sessionidMaxLength = 256
export const traceparentMaxLength = 64

/** How long a session binding token lives at most, hours: a working day. A stolen one is of no use tomorrow. */
export const sessionHoursMax = 8
/** How long a pairing code waits for its device at most, minutes: long enough to walk over to it. */
export const pairingMinutesMax = 10

/** Rows of one page: what a caller wants beyond, it asks for with the cursor. */
export const pageMax = 500

/** HTTP request body. */
export const bodyMaxBytes = 4 * MiB
/** Body of `POST /sync`: one whole commit of 4 MiB fits, written as JSON texts. */
export const syncBodyMaxBytes = 7 * MiB
/** Commits in one sync; what is left goes with the next. */
export const syncCommitsMax = 100
/** `max_payload` of every nats-server we start: one commit with framing fits with room. */
export const payloadMaxBytes = 8 * MiB

/** Events in one commit: with its record, one atomic batch of JetStream (1,000 messages, error 10199 beyond). */
export const commitEventsMax = 999
/** Framed, sealed bytes of one commit. A larger single event goes alone. */
export const commitMaxBytes = 4 * MiB
/** Messages in one atomic batch. */
export const batchMessagesMax = 1000
/** Bytes of commits waiting for ingest in one hosted process; beyond: `busy`. */
export const ingestWaitingMaxBytes = 64 * MiB

/** Lamports above this are refused: 2^48 leaves every number exact in JSON and a million years of writing. */
export const lamportMax = 2 ** 48
/** One commit may raise the tenant's greatest lamport by at most this, so nobody can run the clock out. */
export const lamportJumpMax = 2 ** 32

/** Size of the journal where no setting says otherwise (`--journal-gib`): about twenty million messages. */
export const journalMaxBytes = 10 * GiB
export const telemetryOutMaxBytes = 100 * MiB

/** With less room than this on the disk under a store, writes are refused: what is under way must still find its place. */
export const diskReserveBytes = 64 * MiB
/** Writes are taken again from here on: the first one must not fill it once more. */
export const diskResumeBytes = 96 * MiB
/** Less than this is told to people. */
export const diskLowBytes = 2 * GiB
/** One telemetry event as JSON, UTF-8: what happened, not what was said. */
export const telemetryEventMaxBytes = 64 * KiB
/** Levels of nesting in its metadata. */
export const telemetryDepthMax = 32
/** Events a local backend sends in one request: well under a minute's worth of its limit, so that one request can be granted. */
export const telemetryBatchMax = 200
export const telemetryBatchMaxBytes = MiB
/** One WebSocket frame; a larger one closes the connection (1009). Events over their own limit are refused one by one. */
export const frameMaxBytes = MiB
