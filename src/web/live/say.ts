import { notifications } from "@mantine/notifications"
import { createElement } from "react"
import { MaestraError } from "../../sdk/typescript/problems.ts"
import { Said } from "../parts/Said.tsx"

const closeButtonProps = { "aria-label": "Dismiss" }

/** Tell the person that something was done. */
export const say = (message: string): void => void notifications.show({ message, autoClose: 4000, closeButtonProps })

/** Tell the person that something was not done, and what to do. */
export const sayProblem = (error: Error): void =>
  void notifications.show({ color: "red", title: error.message, message: error instanceof MaestraError ? createElement(Said, { text: error.hint }) : "", autoClose: 9000, closeButtonProps })
