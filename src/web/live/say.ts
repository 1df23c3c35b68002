import { notifications } from "@mantine/notifications"
import { createElement } from "react"
import { MaestraError, sentences } from "../../sdk/typescript/problems.ts"
import { Said, sentenceOf } from "../parts/Said.tsx"

const closeButtonProps = { "aria-label": "Dismiss" }

/** Tell the person that something was done. */
export const say = (message: string): void => void notifications.show({ message, autoClose: 4000, closeButtonProps })

/** Long enough to read what happened and what to do about it. Milliseconds. */
const problemMillis = 15_000

/** Tell the person that something was not done, or may not have been, and what to do. What was typed stays where it is. */
export const sayProblem = (error: Error): void => {
  const { message, title } = wordsOf(error)
  notifications.show({ color: "red", title, message: createElement(Said, { text: message }), autoClose: problemMillis, closeButtonProps })
}

const wordsOf = (error: Error): { readonly title: string; readonly message: string } =>
  !(error instanceof MaestraError)
    ? { title: "That did not work", message: sentences(sentenceOf(error.message), "Try again.") }
    : error.kind === "unreachable"
    ? { title: "The backend does not answer", message: "Whether it was done cannot be told from here. Try again when it answers; what you typed stays." }
    : { title: sentenceOf(error.message), message: error.hint }
