import { Skeleton } from "@mantine/core"
import type { UseQueryResult } from "@tanstack/react-query"
import type { ReactNode } from "react"
import { Failure } from "../parts/Failure.tsx"

/** What was asked for, or that it is on its way, or why it is not there. */
export const Asked = <A,>({ children, of }: { readonly of: UseQueryResult<A>; readonly children: (answer: A) => ReactNode }) =>
  of.data === undefined
    ? of.error === null ? <Skeleton height={220} radius="lg" /> : <Failure error={of.error} again={() => void of.refetch()} />
    : <>{children(of.data)}</>
