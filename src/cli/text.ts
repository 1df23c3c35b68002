/** How things look to a person. Pure; nothing here knows where the text goes. */

/** 13915 → `13,915`. */
export const count = (value: number): string => value.toLocaleString("en-US")

/** `1 message`, `13,915 messages`. */
export const plural = (value: number, one: string, many = `${one}s`): string => `${count(value)} ${value === 1 ? one : many}`

/** Milliseconds as `1.2 s`, `3 min 05 s`. */
export const duration = (millis: number): string => {
  const seconds = millis / 1000
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`
}

/** `2026-11-22T10:00:00.000Z` → `2026-11-22 10:00:00`, UTC as stored. */
export const time = (iso: string): string => iso.slice(0, 19).replace("T", " ")

/**
 * Text from elsewhere, made safe for a terminal: an escape sequence in a message must not move the cursor,
 * set the title or paste into the shell. Line breaks and tabs stay.
 */
export const plain = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  text.replace(/\r\n/g, "\n").replace(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/g, "\u{FFFD}")

/** Text from elsewhere on one line, cut to `max` characters. */
export const oneLine = (text: string, max: number): string => {
  const flat = plain(text).replace(/\s+/g, " ").trim()
  const characters = [...flat]
  return characters.length <= max ? flat : `${characters.slice(0, max - 1).join("")}…`
}

/** Rows as aligned columns, two spaces apart. The last column is not padded, and goes on below itself where a line has only so many characters. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>, width = Infinity): string => {
  const widths: Array<number> = []
  for (const row of rows) row.forEach((cell, column) => widths[column] = Math.max(widths[column] ?? 0, cell.length))
  return rows
    .map((row) => {
      const before = row.slice(0, -1).map((cell, column) => `${cell.padEnd(widths[column] ?? 0)}  `).join("")
      const [first = "", ...rest] = broken(row.at(-1) ?? "", width - before.length)
      return [`${before}${first}`, ...rest.map((line) => `${" ".repeat(before.length)}${line}`)].map((line) => line.trimEnd()).join("\n")
    })
    .join("\n")
}

/** Narrower than this, a column is no help any more: the terminal breaks its lines. Characters. */
const columnMin = 20

/** A text in lines of at most so many characters, between words; a longer word stands alone. */
export const broken = (text: string, width: number): ReadonlyArray<string> => {
  if (text.length <= width || width < columnMin) return [text]
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** That what was written stays on this machine, and why. */
export const onlyHere = (withheld: string): string => `only here (${withheld === "surface" ? "a privacy setting" : withheld === "expired" ? "retention" : plain(withheld)})`

/** A word for the shell, quoted where it must be. */
export const shellWord = (word: string): string => /^[A-Za-z0-9_./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** A text as a QR code of block characters, for a phone's camera. */
export const qrCode = async (text: string): Promise<string> => {
  const { default: terminal } = await import("qrcode-terminal")
  return new Promise((resolve) => terminal.generate(text, { small: true }, resolve))
}
