/**
 * Ids in paths. An id is any text; URL encoding carries all of them except `.` and `..`, which every
 * URL parser resolves away, percent-encoded or not. Those two travel with a `~` in front, and ids of
 * the same look (`~.`, `~~..`) with one more.
 *
 * @example segmentOf("a/b")  // "a%2Fb"
 * @example segmentOf("..")   // "~.."
 */
export const segmentOf = (id: string): string => encodeURIComponent(dots.test(id) ? `~${id}` : id)

/** The id a decoded path segment stands for. */
export const idOf = (segment: string): string =>
  segment.startsWith("~") && dots.test(segment) ? segment.slice(1) : segment

const dots = /^~*\.{1,2}$/
