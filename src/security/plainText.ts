/** Names under which a machine reaches itself: what is sent there crosses no wire. */
export const isLoopback = (hostname: string): boolean => hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname)

/** Why nothing secret may be sent to this URL: it is none, or would go over a wire in plain text. `plainAllowed`: somebody said so on purpose. */
export const refusalOfUrl = (url: string, plainAllowed = false): string | undefined => {
  if (!URL.canParse(url)) return `(${url}) is not a URL`
  const { hostname, protocol } = new URL(url)
  if (protocol === "https:") return undefined
  if (protocol !== "http:") return `(${url}) is neither https:// nor http://`
  return plainAllowed || isLoopback(hostname) ? undefined : `(${url}) would carry secrets over the network in plain text`
}
