/**
 * `YYYY-MM-DDTHH:mm:ss.sssZ` as one whole number whose order is the text's order: eight bytes where the text needs 24.
 *
 * Not milliseconds since 1970: the schema lets `2026-02-31` pass, and what was written must come back.
 */
export const packTime = (time: string): number =>
  ((((((number(time, 0, 4) * 13 + number(time, 5, 7)) * 32 + number(time, 8, 10)) * 24 + number(time, 11, 13)) * 60 +
        number(time, 14, 16)) * 60 + number(time, 17, 19)) * 1000) + number(time, 20, 23)

export const unpackTime = (packed: number): string => {
  let rest = packed
  const take = (of: number): number => {
    const digit = rest % of
    rest = (rest - digit) / of
    return digit
  }
  const ms = take(1000), second = take(60), minute = take(60), hour = take(24), day = take(32), month = take(13)
  return `${pad(rest, 4)}-${pad(month, 2)}-${pad(day, 2)}T${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}.${pad(ms, 3)}Z`
}

const zero = 48
const number = (text: string, from: number, to: number): number => {
  let value = 0
  for (let i = from; i < to; i++) value = value * 10 + text.charCodeAt(i) - zero
  return value
}
const pad = (value: number, width: number): string => String(value).padStart(width, "0")
