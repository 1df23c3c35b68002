import { type Duration, type Effect, Schema, type SubscriptionRef } from "effect"

/** Nobody serves this subject right now. Nothing happened; try again later. */
export class NoResponders extends Schema.TaggedError<NoResponders>()("NoResponders", { subject: Schema.String }) {}

/** No answer in time, or the connection is down or went away. Whether the other side acted is unknown. */
export class RequestTimedOut extends Schema.TaggedError<RequestTimedOut>()("RequestTimedOut", { subject: Schema.String }) {}

/** No server answers there, or it refused us. The hint says what to check. */
export class ConnectFailed extends Schema.TaggedError<ConnectFailed>()("ConnectFailed", { server: Schema.String, hint: Schema.String, cause: Schema.Defect() }) {}

export interface Request {
  readonly subject: string
  readonly data: Uint8Array
  readonly reply: string
}

/** One NATS connection that reconnects for ever. The only way the rest of the code talks to a server. */
export interface Connection {
  /** `host:port` it was made for, for messages to people. */
  readonly server: string
  readonly request: (subject: string, data: Uint8Array, timeout: Duration.Duration) => Effect.Effect<Uint8Array, NoResponders | RequestTimedOut>
  readonly publish: (subject: string, data: Uint8Array) => Effect.Effect<void>
  /**
   * Serve requests until interrupted; `concurrency` handlers at once (64 without it), the rest wait in line.
   * A request whose reply subject `mayAnswer` refuses is dropped unheard: publish permissions do not cover
   * reply subjects. Beyond 64 MiB of waiting requests more are dropped too: the sender times out and asks again.
   * With `sharedBy`, which says whose a subject is, senders take turns, and of one no more than 16 MiB waits.
   */
  readonly serve: (options: {
    readonly subject: string
    readonly queue: string
    readonly concurrency?: number
    readonly sharedBy?: (subject: string) => string
    readonly mayAnswer: (reply: string) => boolean
    readonly handler: (request: Request) => Effect.Effect<Uint8Array>
  }) => Effect.Effect<never>
  readonly up: SubscriptionRef.SubscriptionRef<boolean>
}
