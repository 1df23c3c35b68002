import { Component, type ReactNode } from "react"
import { Failure } from "./Failure.tsx"

/** A broken screen says so and can be tried again; the rest of the page goes on. */
export class Catch extends Component<{ readonly children: ReactNode }, { readonly error: Error | undefined }> {
  override state: { readonly error: Error | undefined } = { error: undefined }

  static getDerivedStateFromError(error: unknown) {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }

  override render() {
    const { error } = this.state
    return error === undefined ? this.props.children : <Failure error={error} again={() => this.setState({ error: undefined })} />
  }
}
