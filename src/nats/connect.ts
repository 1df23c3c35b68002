import {
  AuthorizationError,
  connect as dial,
  credsAuthenticator,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  NoRespondersError,
  RequestError,
  UserAuthenticationExpiredError
} from "@nats-io/transport-node"
import { Duration, Effect, type Scope, Stream, SubscriptionRef } from "effect"
import { ConnectFailed, type Connection, NoResponders, RequestTimedOut } from "./Connection.ts"
import { serve } from "./serve.ts"

/** What the other files of this room need of a connection. Rooms outside pass it on and use `Connection` only. */
export interface Wire {
  readonly nats: NatsConnection
  readonly inboxPrefix: string
  /** Is a server there right now? `up` says the same to those who wait. */
  readonly isUp: () => boolean
  readonly awaitUp: Effect.Effect<void>
  /** Calls `notify` at once whenever the link goes down; the answer takes that back. */
  readonly onDown: (notify: () => void) => () => void
  /** One request and its whole answer. Fails at once when the link goes down, instead of at the end of the time limit. */
  readonly ask: (request: Ask) => Effect.Effect<Msg, NoResponders | RequestTimedOut>
}

export interface Ask {
  readonly subject: string
  readonly data: Uint8Array
  readonly timeout: Duration.Duration
  readonly headers?: MsgHdrs
  /** Runs right before the request leaves, in the same turn: what it publishes arrives just before. */
  readonly before?: () => void
}

export type Wired = Connection & Wire

export interface ConnectOptions {
  /** `host:port`, or several of one cluster. */
  readonly server: string | ReadonlyArray<string>
  readonly auth?: { readonly user: string; readonly pass: string } | { readonly creds: string }
  /** Shown in the server's monitoring. */
  readonly name: string
  /** Who signed the server's certificate, as PEM, where it is nobody the system knows. */
  readonly ca?: string
  /** Default `_INBOX`. Permissions of a peer cover only its own. */
  readonly inboxPrefix?: string
}

const reconnectWait = Duration.millis(200)
/** A cut link shows after `pingsOutMax + 1` of these at most: 6 s. */
const pingInterval = Duration.seconds(2)
const pingsOutMax = 2
/** Also the longest a link that is back goes unnoticed. */
const dialTimeout = Duration.seconds(2)
const drainTimeMax = Duration.seconds(2)

/** Connect; closed, after a bounded drain, with the scope. Fails only when the first attempt does; later it tries for ever. */
export const connect = (options: ConnectOptions): Effect.Effect<Wired, ConnectFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const server = [options.server].flat().join(",")
    const inboxPrefix = options.inboxPrefix ?? "_INBOX"
    const nats = yield* Effect.acquireRelease(
      Effect.tryPromise({ try: () => dial(dialOptions(options, inboxPrefix)), catch: (cause) => new ConnectFailed({ server, cause, hint: hintOf(server, cause) }) }),
      close
    )
    const up = yield* SubscriptionRef.make(true)
    const listeners = new Set<() => void>()
    yield* Stream.fromAsyncIterable(nats.status(), (cause) => cause).pipe(
      Stream.runForEach(({ type }) => {
        if (type === "reconnect") return SubscriptionRef.set(up, true)
        if (type !== "disconnect" && type !== "close") return Effect.void
        return Effect.andThen(SubscriptionRef.set(up, false), Effect.sync(() => [...listeners].forEach((notify) => notify())))
      }),
      Effect.orDie,
      Effect.forkScoped
    )
    const isUp = () => SubscriptionRef.getUnsafe(up)
    const wire: Wire = {
      nats,
      inboxPrefix,
      isUp,
      awaitUp: Effect.suspend(() => isUp() ? Effect.void : SubscriptionRef.changes(up).pipe(Stream.filter((there) => there), Stream.take(1), Stream.runDrain)),
      onDown: (notify) => {
        listeners.add(notify)
        return () => void listeners.delete(notify)
      },
      ask: (request) => isUp() ? askNow(wire, request) : askOnceUp(wire, request)
    }
    return {
      ...wire,
      server,
      up,
      request: (subject, data, timeout) => Effect.map(Effect.suspend(() => wire.ask({ subject, data, timeout })), (answer) => answer.data),
      publish: (subject, data) => Effect.sync(() => nats.isClosed() ? undefined : nats.publish(subject, data)),
      serve: (service) => serve(nats, service)
    }
  })

const dialOptions = ({ auth, ca, name, server }: ConnectOptions, inboxPrefix: string) => ({
  servers: [server].flat(),
  name,
  inboxPrefix,
  ...(auth !== undefined && ("creds" in auth ? { authenticator: credsAuthenticator(new TextEncoder().encode(auth.creds)) } : auth)),
  // beyond this machine a server that speaks no TLS is refused, whatever it says of itself
  ...(ca !== undefined ? { tls: { ca } } : [server].flat().every(isLoopback) ? {} : { tls: {} }),
  // the addresses we were given; the ones servers tell one another may mean nothing here
  ignoreClusterUpdates: true,
  maxReconnectAttempts: -1,
  reconnectTimeWait: Duration.toMillis(reconnectWait),
  reconnectJitter: 50,
  pingInterval: Duration.toMillis(pingInterval),
  maxPingOut: pingsOutMax,
  timeout: Duration.toMillis(dialTimeout),
  // A refusal may pass (credentials renewed, server restarting); giving up for good would need a person.
  ignoreAuthErrorAbort: true,
  noAsyncTraces: true
})

const isLoopback = (address: string) => /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/.test(address)

const hintOf = (server: string, cause: unknown) =>
  cause instanceof AuthorizationError || cause instanceof UserAuthenticationExpiredError
    ? `The nats-server at ${server} refused these credentials: use those of this data directory, or pair again.`
    : `No nats-server answered at ${server}: start it, or check the address.`

/** While the link is down a drain would wait for ever, so both steps are bounded. */
const close = (nats: NatsConnection) =>
  Effect.tryPromise(() => nats.drain()).pipe(
    Effect.timeoutOption(drainTimeMax),
    Effect.ignore,
    Effect.andThen(Effect.tryPromise(() => nats.close())),
    Effect.timeoutOption(drainTimeMax),
    Effect.ignore
  )

const askNow = (wire: Wire, { before, data, headers, subject, timeout }: Ask) =>
  Effect.callback<Msg, NoResponders | RequestTimedOut>((resume) => {
    // made when it is needed: an error's stack costs more than the rest of a request
    const timedOut = Effect.suspend(() => Effect.fail(new RequestTimedOut({ subject })))
    // A connection on its way out would throw: nothing left this machine.
    if (wire.nats.isClosed() || wire.nats.isDraining()) return resume(timedOut)
    const done = (outcome: Effect.Effect<Msg, NoResponders | RequestTimedOut>) => {
      forget()
      resume(outcome)
    }
    const forget = wire.onDown(() => done(timedOut))
    before?.()
    wire.nats.request(subject, data, { timeout: Duration.toMillis(timeout), ...(headers && { headers }) }).then(
      (answer) => done(Effect.succeed(answer)),
      (cause: unknown) => done(isNoResponders(cause) ? Effect.fail(new NoResponders({ subject })) : timedOut)
    )
    return Effect.sync(forget)
  })

/** What is written into a connection that is down may leave much later, or never: wait first. */
const askOnceUp = (wire: Wire, request: Ask) =>
  wire.awaitUp.pipe(
    Effect.timeoutOrElse({ duration: request.timeout, orElse: () => Effect.fail(new RequestTimedOut({ subject: request.subject })) }),
    Effect.andThen(Effect.suspend(() => askNow(wire, request)))
  )

const isNoResponders = (cause: unknown) => cause instanceof NoRespondersError || (cause instanceof RequestError && cause.isNoResponders())
