import QRCode from "qrcode-terminal/vendor/QRCode/index.js"
import { useMemo } from "react"

/** Cameras want so many light modules around it. */
const quiet = 4

/** A text as a QR code, dark on light in either scheme: cameras expect it so. */
const QrPicture = ({ label, text }: { readonly text: string; readonly label: string }) => {
  const { path, side } = useMemo(() => drawn(text), [text])
  return (
    <svg viewBox={`${-quiet} ${-quiet} ${side + 2 * quiet} ${side + 2 * quiet}`} width={240} height={240} role="img" aria-label={label} shapeRendering="crispEdges">
      <rect x={-quiet} y={-quiet} width={side + 2 * quiet} height={side + 2 * quiet} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  )
}
export default QrPicture

const drawn = (text: string) => {
  const code = new QRCode(-1, 1)
  code.addData(text)
  code.make()
  const side = code.getModuleCount()
  const at = Array.from({ length: side }, (_, n) => n)
  return { side, path: at.flatMap((row) => at.filter((column) => code.isDark(row, column)).map((column) => `M${column} ${row}h1v1h-1z`)).join("") }
}
