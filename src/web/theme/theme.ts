import { Badge, createTheme, type MantineColorsTuple } from "@mantine/core"

/** The one accent: what can be acted on, and what is well. */
const sea: MantineColorsTuple = ["#e6f7f5", "#cdecea", "#9ddad5", "#69c5be", "#3fb0a9", "#1f9a93", "#0f8680", "#0b7470", "#075f5c", "#044a48"]
/** Greys with a breath of the accent, so that dark surfaces belong to it. */
const dark: MantineColorsTuple = ["#d5dcdb", "#b4bdbc", "#8f9a99", "#657170", "#414b4a", "#323b3a", "#252d2c", "#1b2221", "#141a19", "#0e1312"]

/** The colours of notes and states, for badges of the same meaning. */
const tones: Readonly<Record<string, { readonly ink: string; readonly soft: string }>> = {
  sea: { ink: "var(--app-accent)", soft: "var(--app-accent-soft)" },
  yellow: { ink: "var(--app-warm)", soft: "var(--app-warm-soft)" },
  red: { ink: "var(--app-alarm)", soft: "var(--app-alarm-soft)" },
  gray: { ink: "var(--app-muted)", soft: "var(--app-line)" }
}

export const theme = createTheme({
  primaryColor: "sea",
  primaryShade: 7,
  colors: { sea, dark },
  autoContrast: true,
  luminanceThreshold: 0.28,
  fontFamily: "\"Inter Variable\", system-ui, -apple-system, \"Segoe UI\", sans-serif",
  fontFamilyMonospace: "ui-monospace, \"SF Mono\", Menlo, Consolas, monospace",
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: { Badge: Badge.extend({
    defaultProps: { tt: "none", fw: 560, miw: "max-content" },
    vars: (_, { color = "sea" }) => {
      const tone = tones[color]
      return tone === undefined ? { root: {} } : { root: { "--badge-bg": tone.soft, "--badge-color": tone.ink } }
    }
  }) },
  headings: {
    fontWeight: "640",
    sizes: { h1: { fontSize: "1.5rem", lineHeight: "1.25" }, h2: { fontSize: "1.0625rem", lineHeight: "1.35" }, h3: { fontSize: "0.9375rem", lineHeight: "1.4" } }
  }
})
