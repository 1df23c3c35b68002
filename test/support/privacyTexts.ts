import { pseudoRandom } from "./pseudoRandom.ts"
