const words = "the and of to a in is it you that he was for on are with as his they be at one have this from or had by hot word but what some we can out other were all there when up use your how said an each she which do their time if will way about many then them write would like so these her long make thing see him two has look more day could go come did number sound no most people my over know water than call first who may down side been now find any new work part take get place made live where after back little only round man year came show every good me give our under name very through just form sentence great think say help low line differ turn cause much mean before move right boy old too same tell does set three want air well also play small end put home read hand port large spell add even land here must big high such follow act why ask men change went light kind off need house picture try us again animal point mother world near build self earth father".split(" ")

/** Characters of a message: with it a stored journal event has about 450 bytes. */
const contentLength = 100

/** The n-th message text: different every time, the same in every run. */
export const textOf = (n: number): string => {
  let text = ""
  for (let state = n + 1; text.length < contentLength;) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    text += `${words[(state >> 8) % words.length]} `
  }
  return text.slice(0, contentLength)
}

/** Messages of one imported conversation. */
export const perConversation = 20
export const conversationOf = (n: number): string => `bench-${n}`

/** Lines of one request: 4,000 messages, well below 4 MiB. */
const linesPerBody = 200

/** NDJSON bodies that bring `events` messages in: no titles, so that one message is one event. */
export const importBodies = (events: number): ReadonlyArray<string> => {
  const bodies: Array<string> = []
  let lines: Array<string> = []
  const conversations = Math.ceil(events / perConversation)
  for (let c = 0; c < conversations; c++) {
    const count = Math.min(perConversation, events - c * perConversation)
    const messages = Array.from({ length: count }, (_, i) => ({ id: `m${i}`, role: i % 2 === 0 ? "user" : "assistant", content: textOf(c * perConversation + i) }))
    lines.push(JSON.stringify({ conversation_id: conversationOf(c), messages }))
    if (lines.length === linesPerBody || c === conversations - 1) {
      bodies.push(lines.join("\n"))
      lines = []
    }
  }
  return bodies
}
