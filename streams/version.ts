/** Version of this program: what `/health`, `status` and the contract say. The same as in package.json, which a test holds. */
export const version = "0.1.0"
