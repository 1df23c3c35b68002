import { useQuery } from "@tanstack/react-query"
import type { Alert } from "../../sdk/typescript/owner/index.ts"
import { useLocal } from "./LocalBackend.ts"
import { useStatus } from "./status.ts"

/** The backend looks at itself this often, milliseconds. */
const askEveryMillis = 5000

/** What is wrong with this machine now, which is called that and not by its id. */
export const useAlerts = (): ReadonlyArray<Alert> => {
  const backend = useLocal()
  const own = useStatus().data?.peer_id
  const { data } = useQuery({ queryKey: ["alerts"], queryFn: () => backend.alerts(), refetchInterval: askEveryMillis, retry: false })
  const firing = data?.alerts.filter(({ status }) => status === "firing") ?? []
  return own == null ? firing : firing.map((alert) => ({ ...alert, summary: alert.summary.replaceAll(own, "this machine") }))
}
