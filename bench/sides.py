"""The two sides of bench/compare: clade's binary and a peer's program, and who else computes."""

import contextlib
import copy
import csv
import json
import os
import resource
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import genome as genomes

HERE = Path(__file__).resolve().parent
START_TIMEOUT_S = 900  # torch.compile takes minutes for a long genome
CLOSE = 0.8  # of the fastest of the settings: one that gets a second trial


class Failed(Exception):
    """One side could not be measured; the text says why."""


def say(message):
    """Progress and trouble; results alone go to stdout."""
    print(message, file=sys.stderr, flush=True)


def last_line(text):
    """The last line that says something."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def machine_cpu_s():
    """Processor seconds that anyone used since the start of the machine, stolen ones included."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def watched(work, own_cpu_s):
    """
    What work() returns, and the share of the cores that others used meanwhile; own_cpu_s() gives
    the processor seconds that the measured side has used.
    """
    start, machine, own = time.monotonic(), machine_cpu_s(), own_cpu_s()
    result = work()
    others = (machine_cpu_s() - machine) - (own_cpu_s() - own)
    wall = time.monotonic() - start
    return result, max(0.0, others / (wall * len(os.sched_getaffinity(0))))


class Running:
    """Processes of one peer in one setting, built and warm."""

    def __init__(self, peer, processes):
        self.peer, self.processes = peer, processes

    def measure(self, seconds):
        """Images/s, summed over the processes."""
        for process in self.processes:
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        replies = [self.peer.answer(process, 60 + 10 * seconds) for process in self.processes]
        return sum(float(reply["images_per_s"]) for reply in replies)

    def cpu_s(self):
        """Processor seconds so far."""
        ticks = 0
        for process in self.processes:
            stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
            user, system = stat.rpartition(")")[2].split()[11:13]
            ticks += int(user) + int(system)
        return ticks / os.sysconf("SC_CLK_TCK")


class Peer:
    """A peer's program: what it offers, and how fast it is."""

    def __init__(self, name, python, norm, data, without=()):
        """`without`: names of refinements that are not tried."""
        self.command = [python, str(HERE / f"peer_{name}.py")]
        self.norm, self.data = norm, data
        # Thread counts are the settings' to choose, not the caller's environment's.
        self.environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
        try:
            result = subprocess.run(
                self.command + ["--list"],
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=START_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failed(f"{python}: {error}") from error
        if result.returncode != 0:
            raise Failed(last_line(result.stderr) or f"{name}: exit code {result.returncode}")
        offer = json.loads(result.stdout)
        self.title, self.version = offer["peer"], offer["version"]
        self.settings = offer["settings"]
        self.refinements = [more for more in offer["refinements"] if more[0] not in without]

    @contextlib.contextmanager
    def started(self, genome, batch, setting):
        """Gives the setting's processes, Running; ends them afterwards."""
        _, processes, arguments = setting
        command = self.command + ["--genome", str(genome), "--batch", str(batch)]
        command += ["--norm", self.norm, "--data", self.data] + arguments
        running = []
        try:
            for _ in range(processes):
                running.append(
                    subprocess.Popen(
                        command,
                        env=self.environment,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        text=True,
                    )
                )
            expected = genomes.cost(genome).parameters
            if self.norm == "batch":  # gamma and beta where there was a bias
                expected += sum(layer.filters for layer in genome.layers)
            for process in running:
                parameters = self.answer(process, START_TIMEOUT_S)["parameters"]
                if parameters != expected:
                    raise Failed(f"{self.title} built {parameters} parameters, not {expected}")
            yield Running(self, running)
        except OSError as error:
            raise Failed(f"{self.title}: {error}") from error
        finally:
            for process in running:
                process.kill()
            for process in running:
                process.communicate()

    def answer(self, process, timeout_s):
        """The next line of a process."""
        if not select.select([process.stdout], [], [], timeout_s)[0]:
            raise Failed(f"{self.title} did not answer for {timeout_s:.0f} s")
        line = process.stdout.readline()
        if not line:
            raise Failed(f"{self.title} ended with exit code {process.wait()}")
        return json.loads(line)

    def best_setting(self, genome, batch, seconds, verbose):
        """
        The fastest of the settings, with the refinements that make it faster.

        The same setting is some 10 % faster or slower in another process, so those that come close
        are judged by the mean of two.
        """

        def trial(setting):
            try:
                with self.started(genome, batch, setting) as running:
                    # Twice, for a moment's disturbance stalls threads that wait for each other.
                    speed = max(running.measure(seconds / 2) for _ in range(2))
            except Failed as failure:
                say(f"  {self.title}, {setting[0]}: not usable: {failure}")
                return 0.0
            if verbose:
                say(f"  {self.title}, {setting[0]}: {speed:.0f} images/s")
            return speed

        def two_trials(setting, first, to_beat):
            return (first + trial(setting)) / 2 if first > CLOSE * to_beat else first

        firsts = [trial(setting) for setting in self.settings]
        if max(firsts) == 0:
            raise Failed(f"no setting of {self.title} can train {genome}")
        speeds = [
            two_trials(setting, first, max(firsts)) for setting, first in zip(self.settings, firsts)
        ]
        best_speed = max(speeds)
        best = self.settings[speeds.index(best_speed)]
        for name, arguments in self.refinements:
            refined = [f"{best[0]}, {name}", best[1], best[2] + arguments]
            speed = two_trials(refined, trial(refined), best_speed)
            if speed > best_speed:
                best_speed, best = speed, refined
        return best


def clade_binary(given=None):
    """What was given, or the release build of this tree, or clade on the PATH."""
    built = HERE.parent / "build/release/pipeline/clade"
    binary = given or (str(built) if built.exists() else shutil.which("clade"))
    if binary is None:
        raise Failed("there is no clade binary: build one with script/run, or give --clade")
    return binary


def drivers(wanted="all"):
    """
    The OpenCL drivers to measure on: names, and the settings that choose them. "system" is what the
    environment gives, "intel" what script/intel-opencl has installed.
    """
    known = {"system": {}}
    for folder in sorted((HERE.parent / ".venv-intel").glob("vendors-*")):
        known["intel"] = {"OCL_ICD_VENDORS": str(folder)}
    if wanted == "all":
        return known
    if wanted not in known:
        raise Failed(f"there is no driver {wanted}: type script/intel-opencl")
    return {wanted: known[wanted]}


class Clade:
    """The clade binary and what to pass to `clade bench`."""

    def __init__(self, binary, norm, arguments, settings=None):
        """`settings` are added to the environment."""
        self.binary = binary
        self.environment = {**os.environ, **(settings or {})}
        self.arguments = ["--set", f"training.norm={norm}", *arguments]
        self.version = self.run("--version").strip().removeprefix("clade ")

    def with_settings(self, settings):
        """The same binary in an environment with more settings."""
        other = copy.copy(self)
        other.environment = {**self.environment, **settings}
        return other

    def run(self, *arguments):
        """stdout of a command that must succeed."""
        try:
            result = subprocess.run(
                [self.binary, *arguments],
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise Failed(f"{self.binary}: {error}; build it, or give --clade") from error
        if result.returncode != 0:
            raise Failed(
                f"clade {' '.join(arguments)}: exit code {result.returncode}: "
                + last_line(result.stderr)
            )
        return result.stdout

    @staticmethod
    def cpu_s():
        """Processor seconds of the commands that have ended."""
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def measure(self, genome, batch, seconds, *more):
        """The row of `clade bench`, numbers as numbers."""
        arguments = ["--genome", str(genome), "--batch", str(batch), "--seconds", str(seconds)]
        arguments += more
        output = self.run("bench", *arguments, "--format", "csv", *self.arguments)
        rows = list(csv.DictReader(output.splitlines()))
        try:
            row = {k: float(rows[0][k]) for k in ("images_per_s", "gflops", "peak_gflops", "slots")}
            parameters = int(rows[0]["parameters"])
        except (IndexError, KeyError, ValueError) as error:
            raise Failed(f"clade bench printed no usable row: {output[:200]!r}") from error
        if len(rows) != 1 or parameters != genomes.cost(genome).parameters:
            raise Failed(f"clade bench measured something else than {genome}: {output[:200]!r}")
        return row

    def driver(self):
        """The OpenCL devices and their drivers, for the record."""
        rows = csv.DictReader(self.run("devices", "--format", "csv").splitlines())
        try:
            return "; ".join(
                f"{row['platform']} {row['driver']}, {row['device']}"
                for row in rows
                if row["status"] == "ok"
            )
        except KeyError as error:
            raise Failed(f"clade devices printed no column {error}") from error
