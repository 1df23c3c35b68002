import { Effect } from "effect"
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { run, type Say, StepFailed } from "./serverRelease.ts"

/** What the step stands on; other paths in tests. */
export interface PackageSource {
  readonly aptGet: string
  readonly keyring: string
  /** The distribution's suite that has a new enough package. */
  readonly suite: string
}

export const debianPackage: PackageSource = {
  aptGet: "/usr/bin/apt-get",
  keyring: "/usr/share/keyrings/debian-archive-keyring.gpg",
  suite: "forky"
}

const within = "5 minutes"

/**
 * The distribution's own package from a newer suite, for Debian and what is like it: apt with a state directory and a
 * sources file of its own, in `folder`, signatures checked with the distribution's archive keyring. Needs no root and
 * changes nothing on the system: the package is unpacked, not installed. Returns the path of the unpacked server.
 */
export const fromPackage = (source: PackageSource, folder: string, say: Say): Effect.Effect<string, StepFailed> =>
  Effect.gen(function*() {
    if (!existsSync(source.aptGet)) return yield* new StepFailed({ why: "this is no Debian-like system (no apt-get)" })
    if (!existsSync(source.keyring)) return yield* new StepFailed({ why: `Debian's archive keyring is not here (${source.keyring})` })
    const site = pickSite(yield* run(source.aptGet, ["indextargets", "--format", "$(SITE)"]))
    if (site === undefined) return yield* new StepFailed({ why: "apt knows no Debian archive" })
    const apt = aptFolder(folder, site, source)
    yield* say(`Reading the package index of Debian ${source.suite} from ${site} (no root, nothing on this system is changed)`)
    yield* run(source.aptGet, ["-q", "-c", apt, "update"], folder)
    yield* say("Downloading Debian's nats-server package")
    yield* run(source.aptGet, ["-q", "-c", apt, "download", "nats-server"], folder)
    const file = readdirSync(folder).find((name) => name.startsWith("nats-server_") && name.endsWith(".deb"))
    if (file === undefined) return yield* new StepFailed({ why: "apt-get download left no package" })
    yield* run("dpkg-deb", ["-x", join(folder, file), join(folder, "unpacked")])
    const server = ["usr/sbin", "usr/bin"].map((place) => join(folder, "unpacked", place, "nats-server")).find((path) => existsSync(path))
    return server ?? (yield* new StepFailed({ why: `${file} holds no nats-server` }))
  }).pipe(
    Effect.timeoutOrElse({ duration: within, orElse: () => Effect.fail(new StepFailed({ why: `apt took longer than ${within}` })) })
  )

/** The archive this system already uses (a mirror near by, a proxy), the security archive aside. Pure. */
export const pickSite = (indexTargets: string): string | undefined =>
  [...new Set(indexTargets.split("\n").map((line) => line.trim()))].find((site) => /^https?:\/\/\S+\/debian\/?$/.test(site))

/** apt's own configuration file, which it reads after the system's: everything it would write is moved to `folder`. */
const aptFolder = (folder: string, site: string, source: PackageSource): string => {
  for (const part of ["state/lists/partial", "cache/archives/partial"]) mkdirSync(join(folder, part), { recursive: true })
  writeFileSync(join(folder, "sources.list"), `deb [signed-by=${source.keyring}] ${site} ${source.suite} main\n`)
  const file = join(folder, "apt.conf")
  writeFileSync(
    file,
    [
      `Dir::Etc::SourceList "${join(folder, "sources.list")}";`,
      `Dir::Etc::SourceParts "/dev/null";`,
      `Dir::State "${join(folder, "state")}";`,
      `Dir::State::status "/var/lib/dpkg/status";`,
      `Dir::Cache "${join(folder, "cache")}";`,
      `Acquire::Languages "none";`,
      `Acquire::Retries "5";`,
      `APT::Get::List-Cleanup "false";`,
      // The folder belongs to us; as root, apt would else try as user _apt and complain.
      ...(process.getuid?.() === 0 ? [`APT::Sandbox::User "root";`] : []),
      // Hooks of the system (container images clean its caches) are for the system's own apt.
      "#clear APT::Update::Pre-Invoke;",
      "#clear APT::Update::Post-Invoke;",
      "#clear APT::Update::Post-Invoke-Success;",
      ""
    ].join("\n")
  )
  return file
}
