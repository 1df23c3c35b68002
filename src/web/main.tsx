import "./theme/styles.ts"
import { MantineProvider } from "@mantine/core"
import { Notifications } from "@mantine/notifications"
import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { MaestraError } from "../sdk/typescript/problems.ts"
import { Gate } from "./access/Gate.tsx"
import { Catch } from "./parts/Catch.tsx"
import { theme } from "./theme/theme.ts"

/** Style elements count only with the nonce this answer came with. */
const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content ?? ""
// libraries below the component library ask for it by this name
Reflect.set(globalThis, "__webpack_nonce__", nonce)

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // the backend is on this machine or is asked for by its operator: what the browser thinks of the network says nothing
      networkMode: "always",
      staleTime: 5000,
      retry: (failures, error) => error instanceof MaestraError && error.kind !== "refused" && failures < 2
    },
    mutations: { networkMode: "always" }
  }
})

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <Notifications position="bottom-right" />
      <QueryClientProvider client={queries}>
        <Catch><Gate /></Catch>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>
)
