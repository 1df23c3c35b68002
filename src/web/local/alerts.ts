import { useQuery } from "@tanstack/react-query"
import type { Alert } from "../../sdk/typescript/owner/index.ts"
import { useLocal } from "./LocalBackend.ts"

/** The backend looks at itself this often, milliseconds. */
const askEveryMillis = 5000

/** What is wrong with this machine now. */
export const useAlerts = (): ReadonlyArray<Alert> => {
  const backend = useLocal()
  const { data } = useQuery({ queryKey: ["alerts"], queryFn: () => backend.alerts(), refetchInterval: askEveryMillis, retry: false })
  return data?.alerts.filter(({ status }) => status === "firing") ?? []
}
