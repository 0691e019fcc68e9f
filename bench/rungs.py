"""The part "rungs" of bench/evidence: live searches with rungs and without, at equal time."""

import csv
import itertools
import shlex
import statistics

VARIANTS = {"plain": ["--set", "fidelity.rungs=none"], "rungs": []}


def flip_p(differences):
    """Two-sided p of a mean of paired differences: the share of all choices of signs that give one
    as far from 0. Exact, and free of assumptions about the distribution."""
    sizes = [abs(value) for value in differences]
    seen = abs(sum(differences)) - 1e-12
    flips = itertools.product((1, -1), repeat=len(sizes))
    far = sum(abs(sum(s * v for s, v in zip(signs, sizes))) >= seen for signs in flips)
    return far / 2 ** len(sizes)


def command(args, variant, seed):
    """The words after "clade" of one search, from its beginning."""
    settings = [*VARIANTS[variant], "--set", f"search.seed={seed}"]
    return ["run", args.search, *settings, "--search-budget", args.budget]


def search(clade, binary, args, variant, seed):
    """Runs it, or goes on with it, and returns its row of runs.csv."""
    name = f"{variant}-{seed}"
    directory = args.runs / name
    if (directory / "store.sqlite").exists():
        clade(binary, "run", "--resume", str(directory), "--quiet")
    else:
        clade(binary, *command(args, variant, seed), "--quiet", "--out", str(directory))
    with open(args.runs / "runs.csv", newline="", encoding="ascii") as file:
        return next(row for row in csv.DictReader(file) if row["run"] == name)


def verdict(differences):
    """A sentence on rungs less plain."""
    p = flip_p(differences)
    if p >= 0.05:
        said = "That one of the two is better is not shown"
    else:
        said = "Rungs are better" if sum(differences) > 0 else "Rungs are worse"
    return (
        f"{said}: the mean difference is {statistics.mean(differences):+.4f}, from "
        f"{min(differences):+.4f} to {max(differences):+.4f}, over {len(differences)} seeds (exact "
        f"test on signs of paired differences, p = {p:.3f})."
    )


def rungs_part(clade, binary, args):
    """The table of all searches, and what follows from it."""
    args.runs.mkdir(parents=True, exist_ok=True)
    lines, differences = [], []
    for seed in range(1, args.repeats + 1):
        # What the machine does meanwhile must not always meet the same one.
        order = list(VARIANTS) if seed % 2 == 1 else list(reversed(VARIANTS))
        rows = {variant: search(clade, binary, args, variant, seed) for variant in order}
        tested = {variant: float(row["test_accuracy_mean"]) for variant, row in rows.items()}
        differences.append(tested["rungs"] - tested["plain"])
        cells = [
            f"{rows[variant]['evaluated']} | {rows[variant]['best_parameters']} | "
            f"{tested[variant]:.4f}"
            for variant in VARIANTS
        ]
        lines.append(f"| {seed} | {' | '.join(cells)} | {differences[-1]:+.4f} |")
    shown = [f"    clade {shlex.join(command(args, variant, 'SEED'))}" for variant in VARIANTS]
    return "\n".join(
        [
            *shown,
            "",
            "Test accuracy is the mean over the seeds of confirm, of the candidate that won on the "
            "validation images; each search had the same time, confirm not included.",
            "",
            "| seed | trainings, plain | parameters | test | trainings, rungs | parameters | test | "
            "difference |",
            "|--:|--:|--:|--:|--:|--:|--:|--:|",
            *lines,
            "",
            verdict(differences),
        ]
    )
