import { MaestraError, sentences } from "../../sdk/typescript/problems.ts"

/** A sentence of the backend's, with what is typed (`in backticks`) set as such. */
export const Said = ({ text }: { readonly text: string }) => (
  // places in one sentence are its keys
  <>{text.split("`").map((part, at) => at % 2 === 1 ? <code key={at}>{part}</code> : <span key={at}>{part}</span>)}</>
)

/** What went wrong, and what to do about it where that is known. */
export const SaidProblem = ({ error }: { readonly error: Error }) => <Said text={sentences(sentenceOf(error.message), error instanceof MaestraError ? error.hint : undefined)} />

/** Why a code or a token was not taken, and what to do; the kind of refusal is of no use to whoever reads this. */
export const SaidRefusal = ({ error }: { readonly error: Error }) => error instanceof MaestraError && error.kind === "refused" && error.hint !== "" ? <Said text={error.hint} /> : <SaidProblem error={error} />

/** Begins as a sentence does. */
export const sentenceOf = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`
