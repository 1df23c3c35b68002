/** A sentence of the backend's, with what is typed (`in backticks`) set as such. */
export const Said = ({ text }: { readonly text: string }) => (
  // places in one sentence are its keys
  <>{text.split("`").map((part, at) => at % 2 === 1 ? <code key={at}>{part}</code> : <span key={at}>{part}</span>)}</>
)
