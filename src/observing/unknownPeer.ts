import { CommandFailed } from "../../streams/Backend.ts"

/** Named at most; whoever has more finds them by the command. */
const namedMax = 8

/** Nobody goes by that name here: who does, each with a word about them, and where all are. */
export const unknownPeer = (asked: string, there: ReadonlyArray<{ readonly peer_id: string; readonly about: string }>, command: string): CommandFailed => {
  const named = there.slice(0, namedMax).map(({ about, peer_id }) => `${peer_id} (${about})`).join(", ")
  const more = there.length - namedMax
  const rest = more > 0 ? ` and ${more} more, which \`${command}\` lists` : ""
  return new CommandFailed({
    status: 404,
    type: "unknown-peer",
    hint: there.length === 0 ? `There is no peer ${asked}, and no other; \`${command}\` lists them once there are.` : `There is no peer ${asked}. There ${there.length === 1 ? "is" : "are"} ${named}${rest}.`
  })
}
