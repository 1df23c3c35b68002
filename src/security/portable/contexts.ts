/** What a signature or MAC is for goes in front of what it is over, so that none can be passed off as another. */
export const contexts = {
  commit: "maestra-commit-v1\0",
  identity: "maestra-identity-v1\0",
  sync: "maestra-sync-v1\0",
  proof: "maestra-proof-v1\0",
  rotation: "maestra-rotation-v1\0",
  registration: "maestra-registration-v1\0",
  audit: "maestra-audit-v1\0",
  companion: "maestra-companion-v1\0",
  id: "maestra-id-v1\0"
} as const
export type SigningContext = keyof typeof contexts
