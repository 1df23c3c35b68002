/** What was said behind one another: each ends as a sentence does, whether it was written as one or not. Absent and empty texts count as none. */
export const sentences = (...texts: ReadonlyArray<string | undefined>): string =>
  texts.flatMap((text) => text === undefined || text.trim() === "" ? [] : [ended(text.trim())]).join(" ")

/** A full stop, unless something ends it already; behind a quotation or a bracket counts. */
const ended = (text: string): string => /[.!?…][)\]”"’']?$/.test(text) ? text : `${text}.`
