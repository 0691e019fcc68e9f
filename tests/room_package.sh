#!/usr/bin/env bash
# The package, installed, used and removed in a fresh Debian: tests/test_package.sh types it as root in
# a room of script/clean-room, where the file PACKAGE lies in /root: room_package.sh PACKAGE
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
fail() {
    echo "room_package: $*" >&2
    exit 1
}
quietly() {
    "$@" >/tmp/said 2>&1 || {
        tail -n 20 /tmp/said >&2
        fail "$*"
    }
}
quietly apt-get update
# Files that dpkg syncs one by one cost the most time, and this room lives for minutes.
quietly apt-get install --yes --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
    "/root/$1" dataset-fashion-mnist
for tool in gcc cmake; do
    ! command -v "$tool" || fail "the room has $tool: it is no longer clean"
done
quietly dpkg --verify clade
[[ ! -s /tmp/said ]] || fail "dpkg --verify: $(</tmp/said)"
for page in man1/clade.1 man5/clade-settings.5 man5/clade-csv.5; do
    gzip -t "/usr/share/man/$page.gz" || fail "no page $page"
done

# As a user who has nothing but a home.
useradd --create-home user
cat >/tmp/user.sh <<'USER'
set -euo pipefail
cd
clade --version
clade devices
clade run /usr/share/clade/searches/quick.ini --out first --set search.cycles=4 \
    --set search.population=2 --set search.sample=2 --set training.epochs=1 \
    --set training.train_images=500 --set space.max_parameters=20000 --set confirm.epochs=1 \
    --set confirm.train_images=2000
clade eval first
clade export first --onnx best.onnx --c best.c
clade status first
[[ -s first/report.html && -s first/results.xlsx && -s best.onnx && -s best.c ]]
complete -p clade 2>/dev/null || source /usr/share/bash-completion/completions/clade
complete -p clade
USER
su user -c 'bash /tmp/user.sh' || fail 'the program, used'

quietly apt-get purge --yes clade
rest=$(find /etc /opt /usr/bin /usr/lib /usr/share /var/lib -name 'clade*')
[[ -z $rest ]] || fail "purging leaves $rest"
echo 'room_package: installed, used, removed'
