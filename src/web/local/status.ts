import { useQuery } from "@tanstack/react-query"
import type { LocalStatus } from "../../sdk/typescript/owner/index.ts"
import { timeOfDay } from "../live/time.ts"
import { useLocal } from "./LocalBackend.ts"

/** While the page is looked at, milliseconds. */
const askEveryMillis = 1500

/** How this machine stands, asked again and again. */
export const useStatus = () => {
  const backend = useLocal()
  return useQuery({ queryKey: ["status"], queryFn: () => backend.status(), refetchInterval: askEveryMillis, retry: false })
}

/** Why what is only here is not elsewhere. `kept`: a setting keeps it, so it is on no way. */
export interface Waits {
  readonly kept: boolean
  readonly line: string
}

const onItsWay: Waits = { kept: false, line: "Safe here; not sent yet." }

/** Something of the status, from what others ask for. */
const useOfStatus = <A,>(select: (status: LocalStatus) => A): A | undefined => {
  const backend = useLocal()
  return useQuery({ queryKey: ["status"], queryFn: () => backend.status(), select, staleTime: Infinity }).data
}

/** The same for every message on a screen. */
export const useWaits = (): Waits => useOfStatus(waitsOf) ?? onItsWay

/** What this machine is called as the author of a write. */
export const useOwnId = (): string | undefined => useOfStatus(ownIdOf)

const ownIdOf = ({ backend_id }: LocalStatus): string => backend_id

const waitsOf = ({ held_by, state }: LocalStatus): Waits => {
  switch (state) {
    case "not_paired": return { kept: false, line: "Safe here, and nowhere else: this machine is not paired." }
    case "offline": return { kept: false, line: "Safe here; sent once hosted can be reached." }
    case "paused": return { kept: false, line: "Safe here; sent when you resume." }
    default: return held_by === null ? onItsWay : { kept: true, line: `Kept here while “${settings[held_by] ?? held_by}” is off, under Privacy.` }
  }
}

export type Mood = "well" | "busy" | "waiting" | "alarm"

/** The states of a local backend, as a person meets them. */
const moods: Readonly<Record<LocalStatus["state"], { readonly mood: Mood; readonly word: string }>> = {
  in_step: { mood: "well", word: "In step" },
  sending: { mood: "busy", word: "Sending" },
  receiving: { mood: "busy", word: "Receiving" },
  offline: { mood: "waiting", word: "Offline" },
  paused: { mood: "waiting", word: "Paused" },
  needs_you: { mood: "alarm", word: "Needs you" },
  not_paired: { mood: "waiting", word: "Only on this machine" }
}

const count = (n: number, what: string) => `${n.toLocaleString("en")} ${what}`

/** The mood and the word of a machine as it stands; what a setting keeps here is on no way. */
export const moodOf = ({ held_by, silent_since, state }: LocalStatus): { readonly mood: Mood; readonly word: string } =>
  state === "sending" && held_by !== null ? { mood: "waiting", word: "Kept here" } : state === "in_step" && silent_since !== null ? { mood: "waiting", word: "Hosted is silent" } : moods[state]

/** Settings that keep things here, as the Privacy screen calls them. */
const settings: Readonly<Record<string, string>> = { sync_enabled: "Sync this account", sync_conversations: "Conversations" }

/** What to do, where there is something and the figures do not say it. */
export const cureOf = ({ held_by, state }: LocalStatus): string | undefined =>
  state === "sending" && held_by !== null ? "Turn that on, under Privacy, and it is sent." : cures[state]

const cures: Partial<Readonly<Record<LocalStatus["state"], string>>> = {
  offline: "See whether the network is there and hosted runs. It comes back by itself; what you write until then is safe here.",
  paused: "You paused it. What waits is sent when you resume."
}

/** One line below the word: the figure that explains it. */
export const because = (status: LocalStatus): string => {
  switch (status.state) {
    case "in_step": return status.silent_since === null ? "Nothing waits, here or there" : `Nothing waited at ${timeOfDay(status.silent_since)}; hosted has not answered since`
    case "sending": return status.held_by !== null ? `${count(status.pending, status.pending === 1 ? "change stays" : "changes stay")} here while “${settings[status.held_by] ?? status.held_by}” is off` : `${count(status.pending, status.pending === 1 ? "change" : "changes")} on the way`
    case "receiving": return status.behind > 0 ? `${count(status.behind, status.behind === 1 ? "change" : "changes")} to come` : "Asking how far hosted is"
    case "offline":
    case "paused": return status.pending === 0 ? "Nothing waits" : `${count(status.pending, status.pending === 1 ? "change waits" : "changes wait")}`
    case "needs_you": return status.needs === null ? status.sentence : `${status.needs.charAt(0).toUpperCase()}${status.needs.slice(1)}`
    case "not_paired": return "Pair it to keep your devices in step"
  }
}
