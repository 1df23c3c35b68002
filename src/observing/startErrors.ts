/** What a part that could not start is known by. */
export interface PartError {
  readonly _tag: string
  readonly hint?: string
  readonly message: string
}

const field = (error: PartError, name: string): string => {
  const value: unknown = Reflect.get(error, name)
  return typeof value === "string" ? value : ""
}

/** What the commonest faults of a start are called by people; `tables` is the file of the tables. */
const sentences: Readonly<Record<string, (error: PartError, tables: string) => string>> = {
  SqliteFailed: (error, tables) => `the tables in ${tables} cannot be used: ${field(error, "reason")}`,
  ServerTooOld: (error) => `${field(error, "path")} is nats-server ${field(error, "version")}, and 2.15.1 or newer is needed`,
  MasterKeyMalformed: (error) => `the master key in ${field(error, "where")} is not one`,
  MasterKeyMissing: () => "what is stored here was sealed under a master key that is not here",
  WrongMasterKey: ({ message }) => message,
  WrongPassphrase: ({ message }) => message,
  KeychainLocked: () => "the keychain of this system is locked",
  PrivateKeyMissing: () => "this machine's private keys are gone",
  IdentityMismatch: (error) => `the identity in ${field(error, "file")} does not fit: ${field(error, "why")}`,
  IdentityUnreadable: (error) => `${field(error, "where")} cannot be read: ${field(error, "why")}`,
  PairingUnreadable: () => "what it is paired by is damaged or gone",
  NoKeystore: () => "this system has no keychain that can be opened for its keys, and no secret for a file instead is set"
}

/** Why a start failed, for a person. What nobody foresaw goes by its name. */
export const whyOf = (error: PartError, tables: string): string => sentences[error._tag]?.(error, tables) ?? (field(error, "file") === "" ? error._tag : `${field(error, "file")} cannot be used`)
