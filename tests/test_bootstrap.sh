#!/usr/bin/env bash
# script/bootstrap against a stand-in dpkg-query, apt-get and sudo: nothing is installed.
set -euo pipefail
export CDPATH=''
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
chmod 755 "$room"

# A copy that any user may read, and a PATH that holds only what a case puts there.
mkdir "$room/script" "$room/bin"
cp "$root/script/bootstrap" "$root/script/packages.txt" "$room/script"
bootstrap=$room/script/bootstrap
calls=$room/calls
pypi=$room/pypi
from_pypi() { # exit code of what installs from PyPI
    for name in onnxruntime intel-opencl; do
        printf '#!/bin/bash\necho %s >>"%s"\nexit %s\n' $name "$pypi" "$1" >"$room/script/$name"
        chmod 755 "$room/script/$name"
    done
}
from_pypi 0
for tool in bash awk cat dirname env grep mktemp rm tail true; do
    ln -s "$(type -P "$tool")" "$room/bin/$tool"
done
# Root looks at the other side of the coin as nobody.
user=$((EUID ? EUID : 65534))

stand_in() { # NAME, its body on stdin
    rm -f "$room/bin/$1"
    { echo '#!/bin/bash' && cat; } >"$room/bin/$1"
    chmod 755 "$room/bin/$1"
}
# dpkg-query that knows every package it is asked for as installed, except those given.
installed_except() {
    stand_in dpkg-query <<STAND_IN
for name; do
    case "\$name" in
    -*|*Status*) ;;
    ${1:-nothing}) echo "not-installed \$name" ;;
    ${2:-nothing}) status=1 ;;
    *) echo "installed \$name" ;;
    esac
done
exit "\${status:-0}"
STAND_IN
}
apt_get() { # exit codes of update and install
    stand_in apt-get <<STAND_IN
echo "apt-get \$* frontend=\$DEBIAN_FRONTEND" >>"$calls"
echo "apt says \$3"
case "\$*" in
*update*) exit $1 ;;
*) exit $2 ;;
esac
STAND_IN
}

checks=0
failures=0
check() { # WHAT, COMMAND...
    checks=$((checks + 1))
    if ! "${@:2}"; then
        failures=$((failures + 1))
        echo "FAILED: $1; status $status, said:" >&2
        cat "$room/said" "$calls" >&2
    fi
}
run() { # USER-ID, arguments of bootstrap...
    : >"$calls"
    : >"$pypi"
    chmod 666 "$calls" "$pypi"
    status=0
    local as=(env)
    ((EUID == $1)) || as=(setpriv --reuid "$1" --clear-groups)
    "${as[@]}" env "PATH=$room/bin" "TMPDIR=$room/tmp" "$bootstrap" "${@:2}" \
        </dev/null >"$room/said" 2>&1 || status=$?
}
exited() { ((status == $1)); }
said() { grep -qF -- "$1" "$room/said"; }
called() { grep -qF -- "$1" "$calls"; }
quiet() { [[ ! -s $calls && ! -s $room/said ]]; }
asked_pypi() { [[ $(tr '\n' ' ' <"$pypi") == "$1" ]]; }
not() { ! "$@"; }
mkdir -m 1777 "$room/tmp"

installed_except
apt_get 0 0
run "$EUID" --test
check 'nothing missing' exited 0
check 'nothing missing: silent, no apt-get' quiet
check 'nothing missing: what comes from PyPI is looked after' asked_pypi 'onnxruntime intel-opencl '
from_pypi 69
run "$EUID" --test
check 'no PyPI: the tests go on without' exited 0
check 'no PyPI: said' said 'going on without a second OpenCL driver'
from_pypi 0
run "$EUID" --tests
check 'unknown argument' exited 2
run "$EUID" --test --test
check 'too many arguments' exited 2

# What only the tests need is asked for with --test only.
installed_except sqlite3
run "$EUID"
check 'a test package is not needed to run' quiet
check 'nor what comes from PyPI' asked_pypi ''

rm -f "$room/bin/sudo"
installed_except gcc zlib1g-dev
run "$user"
check 'no rights: refused' exited 69
check 'no rights: the exact command' \
    said 'apt-get update && apt-get install --yes --no-install-recommends gcc zlib1g-dev'
check 'no rights: apt-get is left alone' not called apt-get

stand_in sudo <<<"echo \"sudo \$*\" >>'$calls'; [[ \$1 == -n ]] || exit 1; shift; exec \"\$@\""
run "$user"
check 'sudo' exited 0
check 'sudo installs' called 'sudo -n env DEBIAN_FRONTEND=noninteractive apt-get'
stand_in sudo <<<'exit 1'
run "$user"
check 'sudo that needs a password, no terminal' exited 69

rm -f "$room/bin/dpkg-query"
run "$EUID"
check 'not Debian' exited 69
check 'not Debian: says what is needed' said libclblast-dev

if ((EUID == 0)); then
    installed_except gcc zlib1g-dev
    run 0
    check 'as root' exited 0
    check 'as root: what was removed or never there is installed, no more' \
        called 'install --yes --no-install-recommends gcc zlib1g-dev frontend=noninteractive'
    check 'as root: lists are fresh' called update
    check 'as root: quiet' not said 'apt says'
    run 0 --test
    check 'as root: then what comes from PyPI' asked_pypi 'onnxruntime intel-opencl '
    apt_get 100 0
    run 0
    check 'no network for the lists' exited 0
    check 'no network for the lists: said' said 'apt-get update failed'
    apt_get 0 100
    run 0
    check 'install fails' exited 100
    check 'install fails: its words are shown' said 'apt says'
    run 0 --test
    check 'install fails: PyPI is left alone' asked_pypi ''
fi

echo "test_bootstrap: $checks checks, $failures failed"
((failures == 0))
