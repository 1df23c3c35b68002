import * as Command from "effect/cli/Command"
import { backup } from "./hosted/backup.ts"
import { certs } from "./hosted/certs.ts"
import { cluster } from "./hosted/cluster.ts"
import { enroll } from "./hosted/enroll.ts"
import { expire } from "./hosted/expire.ts"
import { lock } from "./lock.ts"
import { open } from "./hosted/open.ts"
import { peers } from "./hosted/peers.ts"
import { rekey } from "./hosted/rekey.ts"
import { restore } from "./hosted/restore.ts"
import { revoke } from "./hosted/revoke.ts"
import { status } from "./hosted/status.ts"
import { tokens } from "./hosted/tokens.ts"
import { up } from "./hosted/up.ts"

/** `hosted …`: operating a hosted backend, on its own machine. */
export const hosted = Command.make("hosted").pipe(
  Command.withDescription("Operate a hosted backend, on its own machine"),
  Command.withSubcommands([up, open, lock("hosted"), enroll, peers, revoke, tokens, certs, rekey, status, expire, cluster, backup, restore])
)
