/** A subject token: anything else is refused, or mapped, before it reaches a subject. */
const tokenPattern = /^[A-Za-z0-9_-]{1,64}$/
export const isToken = (text: string): boolean => tokenPattern.test(text)

/** Exactly `YYYY-MM-DDTHH:mm:ss.sssZ`, so that bytes compare as instants do. */
export const timePattern = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/

/** The kind of backend an id belongs to, as `source_backend` says it. */
export const kindOf = (backendId: string): string => {
  const platform = backendId.slice(0, Math.max(0, backendId.indexOf("_sha256_")))
  return platform === "ios" || platform === "android" ? `${platform}_local` : platform
}
