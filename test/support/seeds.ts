import { configureGlobal } from "effect/Arbitrary"

/** What properties are tried with is the same in every run, so that what failed once fails again: any number is another choice, `any` a new one in each run. */
const asked = process.env["MAESTRA_TEST_SEED"] ?? "20261129"
if (asked !== "any") configureGlobal({ check: { seed: Number(asked) } })
