import { Badge, createTheme, type MantineColorsTuple } from "@mantine/core"

/** The one accent: what can be acted on, and what is well. */
const sea: MantineColorsTuple = ["#e6f7f5", "#cdecea", "#9ddad5", "#69c5be", "#3fb0a9", "#1f9a93", "#0f8680", "#0b7470", "#075f5c", "#044a48"]
/** Greys with a breath of the accent, so that dark surfaces belong to it. */
const dark: MantineColorsTuple = ["#d5dcdb", "#b4bdbc", "#8f9a99", "#657170", "#414b4a", "#323b3a", "#252d2c", "#1b2221", "#141a19", "#0e1312"]

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
  components: { Badge: Badge.extend({ defaultProps: { tt: "none", fw: 560, miw: "max-content" } }) },
  headings: {
    fontWeight: "640",
    sizes: { h1: { fontSize: "1.5rem", lineHeight: "1.25" }, h2: { fontSize: "1.0625rem", lineHeight: "1.35" }, h3: { fontSize: "0.9375rem", lineHeight: "1.4" } }
  }
})
