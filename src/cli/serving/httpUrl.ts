/** An http or https URL, or nothing. One with a user in it is none: its password would be shown wherever the address is. */
export const httpUrl = (text: string): URL | undefined => {
  const url = URL.parse(text)
  return url === null || (url.protocol !== "https:" && url.protocol !== "http:") || url.username !== "" || url.password !== "" ? undefined : url
}
