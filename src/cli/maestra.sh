#!/bin/sh
# `maestra`: runs src/cli/main.ts on the Node that the package brings along (Node 24 reads TypeScript as it is).
# Found from wherever npm linked this file to: every symbolic link is followed first.
set -eu

# A core file would hold the keys this program has in memory.
ulimit -c 0

self=$0
while [ -L "$self" ]; do
  target=$(readlink "$self")
  case $target in
    /*) self=$target ;;
    *) self=$(dirname "$self")/$target ;;
  esac
done
root=$(cd "$(dirname "$self")/../.." && pwd -P)

# A backend lives long and has little to remember: without these, V8 keeps 200 to 300 MB for the 60 MB that are in use.
flags="--max-semi-space-size=8 --heap-growing-percent=50"

# Its own node_modules in a checkout; the folder above when it is itself installed as a dependency.
for candidate in "$root/node_modules/.bin/node" "$root/../.bin/node"; do
  if [ -x "$candidate" ]; then
    exec "$candidate" $flags "$root/src/cli/main.ts" "$@"
  fi
done

if ! command -v node >/dev/null 2>&1; then
  echo "maestra: no Node found; run \`npm ci\` in $root, which brings Node 24 along" >&2
  exit 1
fi
major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 24 ]; then
  echo "maestra: this needs Node 24, and \`node\` is $(node --version); run \`npm ci\` in $root, which brings Node 24 along" >&2
  exit 1
fi
exec node $flags "$root/src/cli/main.ts" "$@"
