import { Text } from "@mantine/core"
import { useEffect, useRef, useState } from "react"
import { pause } from "../../live/time.ts"
import classes from "./Devices.module.css"

/** The part of the browser's detector that is used; not every browser has one. */
interface Detector {
  readonly detect: (video: HTMLVideoElement) => Promise<ReadonlyArray<{ readonly rawValue: string }>>
}
type DetectorMaker = new (options: { readonly formats: ReadonlyArray<string> }) => Detector

const makerOf = (): DetectorMaker | undefined => {
  const maker: unknown = Reflect.get(globalThis, "BarcodeDetector")
  return typeof maker === "function" ? maker as DetectorMaker : undefined
}

export const canScan = makerOf() !== undefined && navigator.mediaDevices !== undefined

/** Between two looks at the picture, milliseconds. */
const lookEveryMillis = 200

/** The camera's picture, until a QR code is in it. */
export const Scanner = ({ onCode }: { readonly onCode: (code: string) => void }) => {
  const video = useRef<HTMLVideoElement>(null)
  const [problem, setProblem] = useState("")
  const found = useRef(onCode)
  useEffect(() => {
    found.current = onCode
  })
  useEffect(() => {
    const end = new AbortController()
    const seen = (code: string) => found.current(code)
    look(video.current!, end.signal).then((code) => code === undefined ? undefined : seen(code), () => setProblem("The camera cannot be used. Paste the code instead."))
    return () => end.abort()
  }, [])
  return problem === "" ? <video ref={video} className={classes["video"]} muted playsInline aria-label="The camera's picture" /> : <Text size="sm" role="alert">{problem}</Text>
}

const look = async (video: HTMLVideoElement, signal: AbortSignal): Promise<string | undefined> => {
  const detector = new (makerOf()!)({ formats: ["qr_code"] })
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } })
  try {
    video.srcObject = stream
    await video.play()
    while (!signal.aborted) {
      const [code] = await detector.detect(video)
      if (code !== undefined) return code.rawValue
      await pause(lookEveryMillis, signal)
    }
    return undefined
  } finally {
    for (const track of stream.getTracks()) track.stop()
  }
}
