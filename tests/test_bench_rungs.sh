#!/bin/sh
# bench/evidence rungs, on searches of seconds: a table of both, and none is made twice.
#   test_bench_rungs.sh CLADE
set -eu
clade=$1
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
here=$(dirname "$0")
cat > "$room/small.ini" <<'END'
[data]
validation_images = 300
[space]
max_layers = 4
filters = 4 8
kernels = 1 3
activations = relu
[search]
population = 4
sample = 2
cycles = 0
in_flight = 2
[training]
epochs = 1
batch = 64
train_images = 1280
[fidelity]
rungs = 1x320 1x1280
eta = 2
[confirm]
epochs = 1
seeds = 1
train_images = 640
finalists = 1
END
evidence() {
    "$here/../bench/evidence" rungs --clade "$clade" --search "$room/small.ini" --repeats 2 \
        --budget 5s --runs "$room/runs"
}
evidence > "$room/once"
grep -Eq '^\| 1 (\| [0-9]+ \| [0-9]+ \| 0\.[0-9]{4} ){2}\| [+-]0\.[0-9]{4} \|$' "$room/once"
grep -Eq '^\| 2 ' "$room/once"
grep -q 'better is not shown: the mean difference is .* p = ' "$room/once"
grep -q '"promote"' "$room/runs/rungs-1/candidates.csv"
if grep -q '"promote"' "$room/runs/plain-1/candidates.csv"; then exit 1; fi
evidence > "$room/twice"
grep '^| [12] ' "$room/once" > "$room/a"
grep '^| [12] ' "$room/twice" > "$room/b"
cmp "$room/a" "$room/b"
