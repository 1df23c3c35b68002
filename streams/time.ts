/** Milliseconds since 1970 as exactly `YYYY-MM-DDTHH:mm:ss.sssZ`: the one form of time in events and records. */
export const isoTime = (millis: number): string => new Date(millis).toISOString()

export const millisOf = (time: string): number => Date.parse(time)
