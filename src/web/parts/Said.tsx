import { MaestraError, sentences } from "../../sdk/typescript/problems.ts"

/** A sentence of the backend's, with what is typed (`in backticks`) set as such. */
export const Said = ({ text }: { readonly text: string }) => (
  // places in one sentence are its keys
  <>{text.split("`").map((part, at) => at % 2 === 1 ? <code key={at}>{part}</code> : <span key={at}>{part}</span>)}</>
)

/** What went wrong, and what to do about it where that is known. */
export const SaidProblem = ({ error }: { readonly error: Error }) => <Said text={sentences(sentenceOf(error.message), error instanceof MaestraError ? error.hint : undefined)} />

/** Begins as a sentence does. */
export const sentenceOf = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`
