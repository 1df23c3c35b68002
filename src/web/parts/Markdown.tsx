import { memo } from "react"
import ReactMarkdown, { type Components } from "react-markdown"
import remarkGfm from "remark-gfm"

/** HTML is shown as the text it is; a picture becomes a link, so that reading tells nobody that it was read. */
const components: Components = {
  a: ({ children, href }) => <a href={href} target="_blank" rel="noreferrer noopener">{children}</a>,
  img: ({ alt, src }) => typeof src === "string" && src !== "" ? <a href={src} target="_blank" rel="noreferrer noopener">{alt === undefined || alt === "" ? src : alt}</a> : <span>{alt}</span>,
  // a table or code wider than the page scrolls by itself, also by keyboard
  pre: ({ children }) => <pre tabIndex={0}>{children}</pre>
}
const plugins = [remarkGfm]

export const Markdown = memo(({ text }: { readonly text: string }) => <div><ReactMarkdown components={components} remarkPlugins={plugins}>{text}</ReactMarkdown></div>)
Markdown.displayName = "Markdown"
