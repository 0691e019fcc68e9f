#!/usr/bin/env python3
"""bench/: genomes, bench/compare against stand-ins for clade and for a peer, bench/start and
bench/memory against one for clade, and how bench/results keeps its file."""

import csv
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "bench"))
import genome
import sides

GENOME = genome.BENCH[1]
SPACE = {
    "min_layers": "3",
    "max_layers": "8",
    "filters": "8 16, 24",
    "kernels": "1 3 5",
    "activations": "relu gelu",
    "max_parameters": "9000",
}

# Stands in for clade; tells what the environment says.
CLADE = """#!/bin/sh
case "$1" in
--version) echo 'clade 9.8.7' ;;
devices) printf 'platform,device,driver,status\\nPoCL,cpu,4.5,ok\\n,,,crashed\\n' ;;
train) kept=$XDG_CACHE_HOME/kept
       [ -e "$kept" ] || echo 'clade: compiling conv for cpu; this is done once' >&2
       : >"$kept"
       [ "$POCL_CACHE_DIR" = "$XDG_CACHE_HOME" ] || exit 3
       echo 'epoch 1/1: loss 2.3, training accuracy 0.1' >&2 ;;
run) printf '[space]\\nmin_layers = 3 ; default\\nmax_layers = 4\\nfilters = 8\\nkernels = 3\\n'
     printf 'activations = relu\\nmax_parameters = 0\\nmax_macs = 0\\n' ;;
bench) case "$*" in *"training.norm=$NORM"*) ;; *) exit 2 ;; esac
       echo genome,parameters,batch,images_per_s,gflops,peak_gflops,slots
       echo "$3,$PARAMETERS,$5,$SPEED,100.000000,400.000000,2" ;;
esac
"""


class Genomes(unittest.TestCase):
    """bench/genome.py agrees with inputs/genome.h."""

    def test_bench_genomes(self):
        parameters = [genome.cost(genome.parse(text)).parameters for text in genome.BENCH]
        self.assertEqual(parameters, [208202, 59546, 107370, 1566922])
        for text in genome.BENCH:
            self.assertEqual(str(genome.parse(text)), text)

    def test_training_flops(self):
        # By hand: 28x28 -> 14x14 -> 7x7; 1 -> 2 -> 3 channels, kernels 3 and 1; 64 and 10 units.
        cost = genome.cost(genome.parse("RC2k3:relu-RC3k1:tanh-FC64:gelu"))
        first, second, dense = 14 * 14 * 2 * 9, 7 * 7 * 3 * 2, 3 * 64 + 64 * 10
        self.assertEqual(cost.macs, first + second + dense)
        self.assertEqual(cost.training_flops, 2 * (2 * first + 3 * second + 3 * dense))
        self.assertEqual(cost.parameters, 20 + 9 + 3 * 64 + 64 + 650)

    def test_odd_sides_round_up(self):
        cost = genome.cost(genome.parse("RC1k1:relu-RC1k1:relu-FC64:relu"), side=7)
        self.assertEqual(cost.macs, 16 + 4 + 64 + 640)

    def test_refusals(self):
        good = "RC8k3:relu-RC8k3:relu-FC64:relu"
        genome.parse(good)
        for text in (
            "",
            "FC64:relu",
            "RC8k3:relu-FC64:relu",
            "RC8k3:relu-" + good,
            good + " ",
            good + "\n",
            " " + good,
            good.replace("8", "0"),
            good.replace("8", "08"),
            good.replace("8", "512"),
            good.replace("8", "\u0668"),
            good.replace("k3", "k2"),
            good.replace("k3", "k33"),
            good.replace("relu", "ReLU"),
            good.replace("FC64", "FC65"),
            good.replace("-", "--"),
            "NC8k3:relu-" * 63 + good,
            "x" * 100000,
        ):
            with self.subTest(text[:60]), self.assertRaises(ValueError):
                genome.parse(text)
        genome.parse("NC511k7:swish-" * 62 + good)

    def test_random_genomes(self):
        drawn = genome.random_genomes(SPACE, 200, 7)
        self.assertEqual(drawn, genome.random_genomes(SPACE, 200, 7))
        self.assertNotEqual(drawn, genome.random_genomes(SPACE, 200, 8))
        seen = set()
        for one in drawn:
            self.assertEqual(genome.parse(str(one)), one)
            self.assertLessEqual(genome.cost(one).parameters, 9000)
            seen |= {("layers", len(one.layers)), ("head", one.head)}
            for i, layer in enumerate(one.layers):
                seen |= {("filters", layer.filters), ("kernel", layer.kernel)}
                seen |= {("first", layer.stride)} if i == 0 else set()
        expected = {("layers", n) for n in range(3, 9)} | {("head", a) for a in ("relu", "gelu")}
        expected |= {("filters", n) for n in (8, 16, 24)} | {("kernel", n) for n in (1, 3, 5)}
        self.assertEqual(seen, expected | {("first", 1), ("first", 2)})

    def test_random_genomes_of_a_tight_space(self):
        with self.assertRaises(ValueError):
            genome.random_genomes({**SPACE, "max_parameters": "10"}, 1, 7)


class Compare(unittest.TestCase):
    """bench/compare as it is typed."""

    def setUp(self):
        room = tempfile.TemporaryDirectory()
        self.addCleanup(room.cleanup)
        self.clade = Path(room.name) / "clade"
        self.script(self.clade, CLADE)
        self.python = Path(room.name) / "python"

    @staticmethod
    def script(path, text):
        path.write_text(text, encoding="ascii")
        path.chmod(0o755)

    def peer(self, speed, parameters=59546, batch_norm=59546):
        """
        A Python whose every program is a peer with a slow setting, a fast one, and one that is
        fastest of all, but in its first process only. It notes each start.
        """
        self.script(
            self.python,
            f"""#!/bin/sh
case "$*" in
*--list*) echo '{{"peer": "Stand-in", "version": "1.2", "settings": [["slow", 1, ["--slow"]],' \
    '["fast", 2, []], ["lucky", 1, ["--lucky"]], ["broken", 1, ["--broken"]]],' \
    '"refinements": [["worse", ["--slow"]]]}}'
    exit ;;
*--broken*) exit 1 ;;
*--slow*) speed=1 ;;
*--lucky*) if [ -e "$0.luck" ]; then speed=$(({speed} / 4)); else speed=$(({speed} * 9 / 4)); fi
    touch "$0.luck" ;;
*) speed={speed}; echo "$@" >>"$0.starts" ;;
esac
case "$*" in *"--norm batch"*) parameters={batch_norm} ;; *) parameters={parameters} ;; esac
echo '{{"ready": true, "parameters": '$parameters'}}'
while read -r seconds; do echo "{{\\"images_per_s\\": $speed, \\"loss\\": 1}}"; done
""",
        )

    def compare(self, *arguments, clade_speed="60.000000", parameters=59546, norm="none"):
        return subprocess.run(
            [ROOT / "bench/compare", "--clade", self.clade, "--python", self.python]
            + ["--seconds", "0.1", "--pairs", "1", *arguments],
            env={**os.environ, "SPEED": clade_speed, "PARAMETERS": str(parameters), "NORM": norm},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_csv(self):
        self.peer(20)
        result = self.compare(
            "--genomes", GENOME, "--batch", "32,64", "--pairs", "3", "--format", "csv"
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = list(csv.DictReader(result.stdout.splitlines()))
        self.assertEqual(
            ",".join(rows[0]),
            "genome,parameters,batch,pairs,clade_images_per_s,peer_images_per_s,ratio,ratio_min,"
            "ratio_max,clade_gflops,peer_gflops,peak_gflops,clade_peak_share,others_cpu_share,"
            "peer_setting,machine,opencl,clade,norm,peer,peer_version,date_utc",
        )
        self.assertEqual([row["batch"] for row in rows], ["32", "64"])
        row = rows[1]
        self.assertEqual(row["genome"], GENOME)
        # Two processes of 20 images/s each.
        self.assertEqual(row["peer_images_per_s"], "40.000000")
        self.assertEqual(row["ratio"], "1.500000")
        self.assertEqual(row["clade_peak_share"], "0.250000")
        self.assertEqual((row["peer_setting"], row["peer"]), ("fast", "Stand-in"))
        self.assertEqual((row["clade"], row["opencl"]), ("9.8.7", "PoCL 4.5, cpu"))
        self.assertIn("broken: not usable", result.stderr)

    def test_luck_of_a_process(self):
        self.peer(20)
        result = self.compare(
            *("--genomes", GENOME, "--pairs", "3", "--format", "csv"),
            *("--without", "worse", "--verbose"),
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        for part in ("lucky: 45 images/s", "lucky: 5 images/s", "fast: 40 images/s"):
            self.assertIn(part, result.stderr)
        row = next(csv.DictReader(result.stdout.splitlines()))
        self.assertEqual((row["peer_setting"], row["peer_images_per_s"]), ("fast", "40.000000"))
        # Two processes for each of two trials and three pairs.
        starts = self.python.with_name("python.starts").read_text(encoding="ascii").splitlines()
        self.assertEqual(len(starts), 2 * (2 + 3))

    def test_tables(self):
        self.peer(20)
        for style in ("text", "markdown"):
            result = self.compare("--genomes", GENOME, "--format", style)
            self.assertEqual(result.returncode, 0, result.stderr)
            for part in ("59546", "1.50", "25 %", "Stand-in images/s", "9.8.7", "PoCL 4.5, cpu"):
                self.assertIn(part, result.stdout)

    def test_summary_of_all_ratios(self):
        self.peer(20)
        for style in ("text", "markdown", "csv"):
            result = self.compare("--genomes", GENOME, "--batch", "32,64", "--format", style)
            line = "Geometric mean of the ratios: 1.50, least 1.50, of 2."
            self.assertEqual(line in result.stdout, style != "csv", result.stderr)

    def test_settings_that_are_not_tried(self):
        self.peer(20)
        result = self.compare("--genomes", GENOME, "--verbose")
        self.assertIn("fast, worse: 2 images/s", result.stderr)
        result = self.compare("--genomes", GENOME, "--verbose", "--without", "other,worse")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("worse", result.stderr)

    def test_batch_normalisation(self):
        # One parameter more for each of the 32 + 32 + 64 + 48 filters.
        self.peer(20, batch_norm=59546 + 176)
        result = self.compare("--genomes", GENOME, "--norm", "batch", norm="batch")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("norm: batch", result.stdout)
        self.peer(20)
        result = self.compare("--genomes", GENOME, "--norm", "batch", norm="batch")
        self.assertEqual(result.returncode, 1)

    def test_no_peer(self):
        alone = self.compare("--genomes", GENOME, "--format", "csv")
        self.assertEqual(alone.returncode, 0, alone.stderr)
        row = next(csv.DictReader(alone.stdout.splitlines()))
        self.assertEqual((row["ratio"], row["peer"]), ("", ""))
        asked = self.compare("--genomes", GENOME, "--peer", "torch")
        self.assertEqual((asked.returncode, asked.stdout), (4, ""))
        self.assertEqual(len(asked.stderr.splitlines()), 1)

    def test_something_else_was_measured(self):
        self.peer(20, parameters=1)
        result = self.compare("--genomes", GENOME)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("not 59546", result.stderr)
        self.peer(20)
        result = self.compare("--genomes", GENOME, parameters=2)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        result = self.compare("--genomes", GENOME, clade_speed="fast")
        self.assertEqual((result.returncode, result.stdout), (1, ""))

    def test_genome_lists(self):
        file = self.clade.parent / "list"
        file.write_text(f"# two\n{GENOME}\n\n{GENOME} # again\n", encoding="ascii")
        result = self.compare("--genomes", str(file), "--format", "csv")
        self.assertEqual(len(result.stdout.splitlines()), 3, result.stderr)
        space = {**SPACE, "max_layers": "4", "filters": "8", "kernels": "3", "activations": "relu"}
        # The stand-in for clade knows the parameters of one genome only.
        drawn = genome.random_genomes(space, 1, 5)[0]
        parameters = genome.cost(drawn).parameters
        result = self.compare("--genomes", "random:1:5", parameters=parameters)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(str(drawn), result.stdout)

    def test_bad_command_lines(self):
        self.peer(20)
        for arguments in (
            ["--genomes", "RC8k3:relu"],
            ["--genomes", "random:1"],
            ["--genomes", "random:x:1"],
            ["--batch", "0"],
            ["--batch", "64,"],
            ["--pairs", "0"],
            ["--seconds", "nan"],
            ["--peer", "jax"],
        ):
            with self.subTest(arguments):
                result = self.compare(*arguments)
                self.assertEqual((result.returncode, result.stdout), (2, ""))


class Start(unittest.TestCase):
    """bench/start as it is typed."""

    def start(self):
        with tempfile.TemporaryDirectory() as room:
            clade = Path(room) / "clade"
            clade.write_text(CLADE, encoding="ascii")
            clade.chmod(0o755)
            return subprocess.run(
                [ROOT / "bench/start", "--clade", clade, "--driver", "system", "--runs", "3"]
                + ["--genome", GENOME, "--format", "csv"],
                capture_output=True,
                text=True,
                check=False,
            )

    def test_warm_and_cold(self):
        result = self.start()
        self.assertEqual(result.returncode, 0, result.stderr)
        warm, cold = csv.DictReader(result.stdout.splitlines())
        self.assertEqual((warm["cache"], warm["compiled"], warm["first_line_s"]), ("warm", "0", ""))
        self.assertEqual((cold["cache"], cold["compiled"], cold["runs"]), ("cold", "1", "3"))
        self.assertEqual((warm["limit_s"], cold["limit_s"]), ("2", "20"))
        least, median, most = (
            float(cold[key]) for key in ("first_step_min_s", "first_step_s", "first_step_max_s")
        )
        self.assertTrue(0 < float(cold["first_line_s"]) <= most and least <= median <= most)


MEMORY_CLADE = r"""#!/usr/bin/env python3
import pathlib, sqlite3, subprocess, sys
words = sys.argv[1:]
if words[0] == "--version":
    print("clade 9")
elif words[0] == "devices":
    print("platform,driver,device,status")
elif words[0] == "check":
    print("check,status,value\nworker memory,ok,5000000")
else:
    settings = pathlib.Path(words[1]).read_text(encoding="ascii").splitlines()
    assert "filters = 32 48 64" in settings and "max_layers = 4" in settings, settings
    memory = sqlite3.connect([line[7:] for line in settings if line.startswith("file = ")][0])
    memory.execute("CREATE TABLE IF NOT EXISTS genomes (genome)")
    memory.execute("CREATE TABLE IF NOT EXISTS trainings (genome)")
    if "search.populate=memory" not in words:
        memory.execute("INSERT INTO genomes VALUES ('something')")
        memory.commit()
        sys.exit()
    run = pathlib.Path(words[words.index("--out") + 1])
    run.mkdir()
    known = memory.execute("SELECT genome FROM genomes").fetchone()[0]
    (run / "best_genome.txt").write_text(known, encoding="ascii")
    subprocess.run(["sleep", "0.5"], check=True)
"""


class Memory(unittest.TestCase):
    """bench/memory as it is typed."""

    def test_worker_beside_prediction(self):
        with tempfile.TemporaryDirectory() as room:
            clade = Path(room) / "clade"
            clade.write_text(MEMORY_CLADE, encoding="ascii")
            clade.chmod(0o755)
            result = subprocess.run(
                [ROOT / "bench/memory", "--clade", clade, "--genome", GENOME, "--format", "csv"],
                capture_output=True,
                text=True,
                check=False,
            )
        self.assertEqual(result.returncode, 0, result.stderr)
        (row,) = csv.DictReader(result.stdout.splitlines())
        self.assertEqual((row["genome"], row["predicted_bytes"]), (str(GENOME), "5000000.000000"))
        measured = float(row["measured_bytes"])
        self.assertTrue(1e5 < measured < 1e8)
        self.assertAlmostEqual(float(row["ratio"]), 5e6 / measured, places=5)
        self.assertEqual((row["images_bytes"], row["images_pss_bytes"]), ("0", ""))


class Results(unittest.TestCase):
    """bench/results keeps the parts that were not measured again."""

    def setUp(self):
        loader = importlib.machinery.SourceFileLoader("results", str(ROOT / "bench/results"))
        self.results = importlib.util.module_from_spec(
            importlib.util.spec_from_loader("results", loader)
        )
        loader.exec_module(self.results)

    def test_parts_are_replaced_one_by_one(self):
        with tempfile.TemporaryDirectory() as room:
            path = Path(room) / "RESULTS.md"
            order = ["a", "b", "c"]
            self.results.write(path, order, {"c": "## C\n\n| 1 |\n", "a": "## A\n\ntext\n"})
            once = path.read_text(encoding="utf-8")
            self.assertTrue(once.startswith("# Results\n"))
            self.assertLess(once.index("## A"), once.index("## C"))
            kept = self.results.old_sections(once)
            self.assertEqual(kept, {"a": "## A\n\ntext\n", "c": "## C\n\n| 1 |\n"})
            self.results.write(path, order, {**kept, "b": "## B\n", "c": "## C\n\n| 2 |\n"})
            twice = path.read_text(encoding="utf-8")
            self.assertLess(twice.index("## A\n\ntext"), twice.index("## B"))
            self.assertEqual(twice.replace("<!-- part b -->\n## B\n\n", "").replace("2", "1"), once)
            self.assertEqual([file.name for file in Path(room).iterdir()], ["RESULTS.md"])

    def test_what_is_measured(self):
        for quick in (False, True):
            parts = self.results.parts(quick)
            self.assertEqual(len({part.name for part in parts}), len(parts))
            for words in (words for part in parts if not part.needs for words in part.commands):
                self.assertTrue(words[0] == "clade" or os.access(ROOT / words[0], os.X_OK))

    def test_bad_command_lines(self):
        for arguments in (["nothing"], ["--quick"]):
            result = subprocess.run(
                [ROOT / "bench/results", *arguments], capture_output=True, text=True, check=False
            )
            self.assertEqual((result.returncode, result.stdout), (2, ""))


class Evidence(unittest.TestCase):
    """What a run found, from its tables, beside what was asked."""

    RUN = {
        "run": "night", "state": "confirmed", "started_utc": "2026-01-31T02:15:00",
        "version": "clade 0.1.0", "seed": "s1", "devices": "a device", "ended": "374",
        "elapsed_s": "1800.0", "confirm_s": "600.0",
    }  # fmt: skip
    FINALIST = {
        "search": "search", "band": "2500", "parameters": "2398", "genome": "RC4k3:relu",
        "search_accuracy": "0.8", "test_accuracy": "0.822800", "test_accuracy_low": "0.81",
        "test_accuracy_high": "0.83", "test_accuracy_lowest": "0.815", "seeds": "3",
    }  # fmt: skip

    def made(self, run=(), finalists=({},), limits=()):
        """What bench/evidence prints of a run with these tables, and its exit code."""
        with tempfile.TemporaryDirectory() as room:
            folder = Path(room) / "night"
            folder.mkdir()
            rows = [self.FINALIST | row for row in finalists]
            for path, table in ((Path(room) / "runs.csv", [self.RUN | dict(run)]),
                                (folder / "finalists.csv", rows)):  # fmt: skip
                with open(path, "w", newline="", encoding="utf-8") as file:
                    writer = csv.DictWriter(file, table[0])
                    writer.writeheader()
                    writer.writerows(table)
            bands = sorted({int(row["band"]) for row in rows} | set(limits))
            (folder / "settings.ini").write_text(
                "[fidelity]\nbands = 7  ; default\n[confirm]\n"
                f"bands = {' '.join(map(str, bands))}  ; night.ini:3\n",
                encoding="utf-8",
            )
            return self.evidence("small", "--run", str(folder))

    @staticmethod
    def evidence(*arguments):
        result = subprocess.run(
            [ROOT / "bench/evidence", *arguments, "--clade", "/bin/true"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return result.returncode, result.stdout, result.stderr

    def test_verdicts(self):
        rows = [
            {},
            {"band": "10000", "parameters": "9946", "test_accuracy": "0.899499",
             "search_accuracy": "0.85"},
            {"band": "220858", "parameters": "200000", "search_accuracy": "0.9"},
            {"search": "random", "parameters": "77"},
        ]
        code, out, _ = self.made(finalists=rows)
        self.assertEqual(code, 0)
        self.assertIn("374 trainings in 30 minutes of search, then 9 of confirm, 10 minutes", out)
        self.assertIn("| 2,500 | 2,398 |", out)
        self.assertIn("0.8228: reached |", out)
        self.assertIn("0.8995: not reached |", out)
        self.assertRegex(out, r"\| 220,858 \| 200,000 .*\| - \|")
        self.assertNotIn("77", out)

    def test_one_network_for_two_limits(self):
        """The best within a limit may be within a smaller one; or there is none."""
        rows = [{"band": "100000", "parameters": "74522", "test_accuracy": "0.935"}]
        code, out, _ = self.made(finalists=rows, limits=(2500, 220858))
        self.assertEqual(code, 0)
        self.assertIn("| 2,500 | - | none |", out)
        self.assertRegex(out, r"\| 100,000 \| 74,522 .*0.9320: reached \|")
        self.assertRegex(out, r"\| 220,858 \| 74,522 .*\| - \|")

    def test_runs_that_say_nothing(self):
        code, out, err = self.made(run={"state": "searched"})
        self.assertEqual((code, out), (1, ""))
        self.assertIn("searched", err)
        self.assertIn("no run", self.made(run={"run": "other"})[2])
        self.assertIn("--run DIR", self.evidence("large")[2])


class Watched(unittest.TestCase):
    """What others use is told from what the measured side uses."""

    def test_own_work_is_not_others(self):
        def burn():
            end = os.times().user + 0.5
            while os.times().user < end:
                pass
            return "done"

        result, share = sides.watched(burn, lambda: os.times().user + os.times().system)
        self.assertEqual(result, "done")
        counted, all_of_it = share, sides.watched(burn, lambda: 0)[1]
        self.assertGreaterEqual(all_of_it, 0.5 / len(os.sched_getaffinity(0)) * 0.5)
        self.assertGreaterEqual(counted, 0)


if __name__ == "__main__":
    unittest.main()
