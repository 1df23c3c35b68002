import react from "@vitejs/plugin-react"
import { defineConfig } from "vite"

/** Builds the web app into `dist/web`, which the gateway serves: hashed names, no inline script, nothing from elsewhere. */
export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  plugins: [react()],
  logLevel: "warn",
  build: {
    outDir: "../../dist/web",
    emptyOutDir: true,
    // what light-dark() and the rest need as they are: browsers since the middle of 2024
    target: ["chrome123", "firefox125", "safari17.5"],
    // an asset in a data: URL would need a wider policy than 'self'
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400
  }
})
