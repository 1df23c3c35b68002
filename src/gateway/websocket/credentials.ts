import { protocolName } from "./connections.ts"

/** How a WebSocket says who it is. */
export type Credential =
  | { readonly _tag: "ticket"; readonly ticket: string }
  | { readonly _tag: "bearer"; readonly token: string }
  | { readonly _tag: "none" }

/** Longer than any ticket. */
const ticketMaxLength = 128
const tokenPrefix = "sbt."

/**
 * The one credential of a handshake: a ticket in the query, else the token beside our protocol's name (browsers cannot set
 * headers), else the Authorization header (programs).
 */
export const credentialOf = (handshake: { readonly ticket: string | undefined; readonly protocols: string | undefined; readonly authorization: string | undefined }): Credential => {
  const { authorization, protocols, ticket } = handshake
  if (ticket !== undefined) return ticket.length <= ticketMaxLength ? { _tag: "ticket", ticket } : { _tag: "none" }
  const offered = protocols?.split(",").map((name) => name.trim()) ?? []
  const token = offered.find((name) => name.startsWith(tokenPrefix))
  // only where our own name is there too: nothing else may be answered, and browsers want one of theirs back
  if (token !== undefined) return offered.includes(protocolName) ? { _tag: "bearer", token: token.slice(tokenPrefix.length) } : { _tag: "none" }
  const bearer = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1]
  return bearer === undefined ? { _tag: "none" } : { _tag: "bearer", token: bearer }
}
