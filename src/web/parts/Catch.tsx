import { Component, type ReactNode } from "react"
import { MaestraError } from "../../sdk/typescript/problems.ts"
import { Failure } from "./Failure.tsx"

/** What React has no words for: a part of the page that is not there any more since the backend was updated, or a fault of ours. */
const broken = new MaestraError("refused", "This screen cannot be shown", { hint: "Loading the page anew brings the version its backend has now. If it comes again, the browser's console says why." })

/** A broken screen says so and can be tried again; the rest of the page goes on. */
export class Catch extends Component<{ readonly children: ReactNode }, { readonly error: Error | undefined }> {
  override state: { readonly error: Error | undefined } = { error: undefined }

  static getDerivedStateFromError(error: unknown) {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }

  override render() {
    const { error } = this.state
    if (error === undefined) return this.props.children
    // what could not be loaded once, is not asked for again by the page as it is
    return error instanceof MaestraError ? <Failure error={error} again={() => this.setState({ error: undefined })} /> : <Failure error={broken} again={() => location.reload()} />
  }
}
