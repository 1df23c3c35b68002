// Goal: whatever network, crashes, clocks and old copies do, what must hold holds, and once it is quiet all agree.
// Method: the second thousand schedules of 2,000, in a file of their own so that two cores share them.
import { holdsFrom } from "./holdsFrom.ts"

holdsFrom(1000)
