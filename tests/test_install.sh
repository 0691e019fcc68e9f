#!/usr/bin/env bash
# What `cmake --install` leaves, and how the manual pages look: test_install.sh CMAKE BUILD-FOLDER
set -euo pipefail
export CDPATH='' LC_ALL=C.UTF-8
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
fail() {
    echo "test_install: $*" >&2
    exit 1
}
"$1" --install "$2" --prefix "$room/usr" >"$room/said"
cd "$room/usr"
for file in bin/clade share/man/man1/clade.1 share/man/man5/clade-settings.5 \
    share/man/man5/clade-csv.5 share/bash-completion/completions/clade \
    share/doc/clade/README.md share/doc/clade/docs/{csv.md,report.png} \
    share/clade/searches/{quick,nightly,paper,random,table}.ini \
    share/doc/clade/examples/clade.{service,timer,cron,sbatch}; do
    [[ -s $file ]] || fail "no $file"
done
[[ $(ls) == $'bin\nshare' && $(ls bin) == clade ]] || fail "something else: $(ls . bin)"
[[ $(bin/clade --version) == 'clade '* ]] || fail 'the program does not start'
bin/clade completion bash | cmp - share/bash-completion/completions/clade

for page in share/man/man?/*; do
    man --warnings -l "$page" 2>&1 >"$room/page" | tee "$room/warnings"
    [[ ! -s $room/warnings && $(wc -l <"$room/page") -gt 50 ]] || fail "man $page"
    # "unusual" are only names in capitals and the date of a page; -W warning is above that.
    mandoc -T lint -W warning "$page" || fail "mandoc $page"
    # What a page names exists.
    { grep -oE 'share/(doc/)?clade/[a-z/]+' "$page" || true; } | sort -u | while read -r path; do
        [[ -e $path ]] || fail "$page names $path"
    done
done
# Found by name, where man looks for pages of a program on PATH.
PATH=$room/usr/bin:$PATH man -w clade >/dev/null || fail 'man clade'
for search in share/clade/searches/*.ini; do
    bin/clade run --print-settings "$search" >/dev/null || fail "$search"
done
echo 'test_install: files, manual pages, searches'
