import { Skeleton } from "@mantine/core"
import type { UseQueryResult } from "@tanstack/react-query"
import type { ReactNode } from "react"
import { MaestraError } from "../../sdk/typescript/problems.ts"
import { Failure } from "./Failure.tsx"
import { Note } from "./Note.tsx"
import { SaidProblem } from "./Said.tsx"

type Of<A> = Pick<UseQueryResult<A>, "data" | "error"> & { readonly refetch: () => Promise<unknown> }

/** What was asked for, or that it is on its way, or why it is not there. `height`: of what is to come, pixels. */
export const Asked = <A,>({ children, height = 220, of: { data, error, refetch } }: { readonly of: Of<A>; readonly height?: number; readonly children: (answer: A) => ReactNode }) =>
  data === undefined
    ? error === null ? <Skeleton height={height} radius="lg" /> : <Failure error={error} again={() => void refetch()} />
    : <><Stale error={error} />{children(data)}</>

/** What stands here is older than it looks. That nobody answers at all is told above every screen. */
const Stale = ({ error }: { readonly error: Error | null }) =>
  error === null || (error instanceof MaestraError && error.kind === "unreachable") ? null : <Note title="This could not be read again; it may be old"><SaidProblem error={error} /></Note>
