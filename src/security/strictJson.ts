const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g

/**
 * Whether an object in this JSON text names a key twice. `parsed` is what `JSON.parse` made of the text.
 *
 * JSON.parse keeps the last of two equal keys in silence, other readers the first.
 */
export const hasRepeatedKeys = (text: string, parsed: unknown): boolean => {
  // most texts are what JSON.stringify writes, and that never repeats a key
  if (JSON.stringify(parsed) === text) return false
  const open: Array<Set<string>> = []
  let before = ""
  for (const [token] of text.matchAll(tokens)) {
    if (token === "{" || token === "[") open.push(new Set())
    else if (token === "}" || token === "]") open.pop()
    else if (token === ":") {
      const keys = open.at(-1)
      // escapes can write one key in several ways
      const key: unknown = JSON.parse(before)
      if (keys === undefined || typeof key !== "string" || keys.has(key)) return true
      keys.add(key)
    }
    before = token
  }
  return false
}
