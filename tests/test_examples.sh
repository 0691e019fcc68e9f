#!/usr/bin/env bash
# The examples for systemd, cron and Slurm, tried: test_examples.sh CLADE
set -euo pipefail
export CDPATH=''
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
examples=$root/docs/examples
room=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null; wait; rm -rf "$room"' EXIT
mkdir "$room/bin" "$room/home"
ln -s "$(realpath "$1")" "$room/bin/clade"
cat >"$room/home/nightly.ini" <<'SEARCH'
[space]
min_layers = 2
max_layers = 3
filters = 4 8
max_macs = 50000
[search]
population = 2
sample = 2
cycles = 3
[training]
epochs = 1
train_images = 200
[data]
validation_images = 100
[confirm]
epochs = 1
train_images = 200
[devices]
slots = 1
SEARCH

fail() {
    echo "test_examples: $*" >&2
    cat "$room/said" >&2
    exit 1
}
# An environment as cron makes one, but for the cache of compiled kernels.
bare=(env -i HOME="$room/home" LOGNAME=somebody SHELL=/bin/sh PATH="$room/bin:/usr/bin:/bin"
    XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}"
    ASAN_OPTIONS="${ASAN_OPTIONS-}" LSAN_OPTIONS="${LSAN_OPTIONS-}")
finished() { # DIR, SEED
    [[ -s $1/report.html && -s $1/best_genome.txt ]] || fail "$1 has no report"
    grep -q "^seed = $2 " "$1/settings.ini" || fail "$1 has another seed than $2"
    rm -r "$1"
}

shellcheck "$examples/clade.sbatch"

# systemd: no complaint at all. It also looks up the manual page that the service names.
mkdir -p "$room/units" "$room/man/man1"
cp "$root/docs/clade.1" "$room/man/man1"
cp "$examples/clade.service" "$examples/clade.timer" "$room/units"
MANPATH=$room/man systemd-analyze verify "$room/units/clade.service" "$room/units/clade.timer" >"$room/said" 2>&1 ||
    fail 'systemd-analyze verify'
[[ ! -s $room/said ]] || fail 'systemd-analyze verify complains'
calendar=$(sed -n 's/^OnCalendar=//p' "$examples/clade.timer")
systemd-analyze calendar "$calendar" >/dev/null || fail "no time: $calendar"
command=$(sed -n "s/^ExecStart=\/bin\/sh -c '\(.*\)'$/\1/p" "$examples/clade.service")
[[ -n $command ]] || fail 'ExecStart is not a command of sh'
today=$(date +%Y%m%d)
(cd "$room/home" && "${bare[@]}" /bin/sh -c "${command//%%/%}") >"$room/said" 2>&1 || fail "ExecStart: $?"
finished "$(echo "$room"/home/runs/*/)" "$today"

# cron: one line, run as cron runs it.
line=$(grep -v -e '^#' -e '^$' "$examples/clade.cron")
read -r minute hour day month weekday command <<<"${line//\\%/$'\x01'}"
[[ $minute$hour$day$month$weekday == 022\*\*\* ]] || fail "another time: $line"
[[ $command != *%* ]] || fail 'cron takes a bare % for the end of the command'
(cd / && "${bare[@]}" /bin/sh -c "${command//$'\x01'/%}") >"$room/said" 2>&1 || fail "the cron line: $?"
[[ -s $room/home/clade.log ]] || fail 'no log of the night'
finished "$(echo "$room"/home/runs/*/)" "$today"

# Slurm: as a plain script, then as a job that is stopped and goes on.
cd "$room/home"
"${bare[@]}" bash "$examples/clade.sbatch" nightly.ini >"$room/said" 2>&1 || fail "clade.sbatch: $?"
finished "runs/$today" "$today"
# shellcheck disable=SC2016 # for the other shell
printf '#!/bin/sh\necho "$@" >>"%s"\n' "$room/scontrol" >"$room/bin/scontrol"
chmod +x "$room/bin/scontrol"
sed -i 's/^cycles = .*/cycles = 1000/' nightly.ini
trained() {
    sqlite3 -readonly runs/42/store.sqlite "SELECT count(*) FROM attempts WHERE status = 'done'" \
        2>/dev/null || echo 0
}
stop_after() { # so many trainings in all
    rm -f "$room/scontrol"
    "${bare[@]}" SLURM_JOB_ID=42 SLURM_CPUS_PER_TASK=1 bash "$examples/clade.sbatch" nightly.ini \
        >"$room/said" 2>&1 &
    local pid=$!
    for ((i = 0; i < 1200 && $(trained) < $1; i++)); do sleep 0.1; done
    kill -TERM "$pid"
    wait "$pid" || fail "the job that was stopped: $?"
    (($(trained) >= $1)) || fail 'the job trains nothing'
    [[ $(<"$room/scontrol") == 'requeue 42' ]] || fail 'the job did not go back to the queue'
}
stop_after 2
before=$(trained)
stop_after $((before + 2))
grep -q ' goes on' runs/42/log.txt || fail 'the job began anew'
echo 'test_examples: systemd, cron and Slurm'
