import { Center, Stack, Text, Title } from "@mantine/core"
import type { ReactNode } from "react"
import classes from "./Empty.module.css"

/** Nothing is here: what will be, and what to do next. */
export const Empty = ({ children, icon, title }: { readonly icon: ReactNode; readonly title: string; readonly children?: ReactNode }) => (
  <Center p="xl" className={classes["empty"]}>
    <Stack gap={6} align="center" maw={380} ta="center">
      <span className={classes["icon"]} aria-hidden>{icon}</span>
      <Title order={2}>{title}</Title>
      <Text c="dimmed" size="sm" component="div">{children}</Text>
    </Stack>
  </Center>
)
