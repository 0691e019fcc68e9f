#!/usr/bin/env bash
# The package for Debian: lintian, then a fresh Debian in which it is installed, used and removed.
# Needs root, debootstrap, lintian and the archive that this machine's apt uses; .ci/run runs it.
set -euo pipefail
export CDPATH=''
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

package=$("$root/script/package")
# Warnings, too; what lintian only mentions is printed and let pass.
lintian --allow-root --display-info --fail-on error,warning,info "$package"
"$root/script/clean-room" --with "$package" tests/room_package.sh "$(basename "$package")"
