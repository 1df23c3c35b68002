/** Single writes come faster here than a device may sync: the limit is a setting of the hosted side, and raised. */
export const environment = { MAESTRA_RATE_SYNCS_PER_MINUTE: "1000000", MAESTRA_RATE_TELEMETRY_PER_MINUTE: "1000000" }
export const raised = "limits raised to 1,000,000 syncs and telemetry events a minute"
