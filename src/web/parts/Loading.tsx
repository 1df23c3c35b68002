import { Center, Loader } from "@mantine/core"

export const Loading = () => <Center p="xl" mih="12rem"><Loader size="sm" aria-label="Loading" /></Center>
