#!/usr/bin/env python3
"""What `clade run` draws on a terminal and elsewhere; `clade status` and `clade log` of these runs.

    tests/test_terminal.py CLADE
"""
import csv
import io
import json
import os
import pty
import random
import re
import select
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
import time
import fcntl

clade = os.path.abspath(sys.argv[1])
SEARCH = """[data]
dir = {room}
train_images = images
train_labels = labels
test_images = images
test_labels = labels
classes = 2
validation_images = 40
[space]
min_layers = 2
max_layers = 2
filters = 8
kernels = 1
[search]
population = 2
sample = 1
cycles = 4
[training]
epochs = 200
batch = 8
[confirm]
epochs = 500
[devices]
use = cpu
slots = 2
"""


def check(what, ok):
    if not ok:
        sys.exit("test_terminal: " + what)


def write_data(room):
    """100 images of 4x4, bright or dark."""
    random.seed(1)
    with open(f"{room}/images", "wb") as images, open(f"{room}/labels", "wb") as labels:
        images.write(struct.pack(">IIII", 0x803, 100, 4, 4))
        labels.write(struct.pack(">II", 0x801, 100))
        for i in range(100):
            images.write(bytes(random.randrange(100) + 150 * (i % 2) for _ in range(16)))
            labels.write(bytes([i % 2]))
    with open(f"{room}/search.ini", "w", encoding="ascii") as search:
        search.write(SEARCH.format(room=room))


def on_terminal(columns, rows, arguments, **environment):
    """What `clade ARGUMENTS` writes to a terminal of this size; it must succeed."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    clean = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    process = subprocess.Popen([clade] + arguments, stdin=subprocess.DEVNULL, stdout=its, stderr=its,
                               env={**clean, "TERM": "xterm", **environment})
    os.close(its)
    written = b""
    while True:
        select.select([ours], [], [])
        try:
            part = os.read(ours, 65536)
        except OSError: # the other side is closed
            break
        written += part
    os.close(ours)
    check(f"{arguments} failed: {written.decode()}", process.wait() == 0)
    return written.decode("ascii")


def screens(written, columns, rows):
    """The screen before every step back to its top, and at the end; lines must not wrap."""
    lines, y, x, seen = [""], 0, 0, []
    for code in re.finditer(r"\x1b\[(\d*)([AJKm])|\r|\n|([^\x1b\r\n])|.", written):
        check("unknown code %r" % code[0], code[0] != "\x1b")
        if code[2] == "A":
            seen.append(list(lines))
            y -= int(code[1])
            check("it goes above its first line", y >= 0)
        elif code[2] == "K":
            lines[y] = lines[y][:x]
        elif code[2] == "J":
            lines[y:] = [lines[y][:x]]
        elif code[0] == "\r":
            x = 0
        elif code[0] == "\n":
            y += 1
            lines += [""] * (y + 1 - len(lines))
        elif code[3]:
            lines[y] = lines[y][:x].ljust(x) + code[3] + lines[y][x + 1:]
            x += 1
    check("more lines than the screen has", all(len(screen) < rows for screen in seen))
    check("a line is wider than the screen", all(len(line) < columns for screen in seen
                                                 for line in screen))
    return seen + [lines]


def has(screen, *patterns):
    return all(any(re.search(pattern, line) for line in screen) for pattern in patterns)


def check_block(room):
    run = ["run", f"{room}/search.ini", "--out", f"{room}/runs/block"]
    written = on_terminal(100, 24, run)
    check("the first thing: %r" % written[:60], written.startswith("\rreads the training images"))
    seen = screens(written, 100, 24)
    check("no block: %s" % seen[len(seen) // 2], any(
        has(screen, r"^search  \d/4  \[", r"^best [01]\.\d{4} \(\d+ parameters\)  front of \d",
            r"^  slot [01]   c00000\d, epoch \d+ of 200 .* images/s .* s  \S", "^  slot 1   ",
            r"^  \d\d:\d\d:\d\d  stage evolve") for screen in seen))
    check("no generation: %s" % seen[-2], any(
        has(screen, r"^  \d\d:\d\d:\d\d  generation 0: 2 evaluated, 0 failed, best") for screen in seen))
    check("no confirmation: %s" % seen[-2], any(
        has(screen, "^confirm  0/1", r"^  slot \d   c00000\d seed 1, ") for screen in seen))
    check("not tidied up: %s" % seen[-1], seen[-1][0].startswith("best genome   ")
          and not has(seen[-1], "slot"))
    check("no colours", "\x1b[32m" in written)


def check_one_line(room):
    for columns, rows, environment in ((50, 24, {"NO_COLOR": "1"}), (100, 8, {})):
        name = f"narrow{columns}"
        written = on_terminal(columns, rows, ["run", f"{room}/search.ini", "--out",
                                              f"{room}/runs/{name}", "--set", "outputs.dialect=excel-eu"],
                              **environment)
        check("it goes up", "\x1b[1A" not in written and "\x1b[2A" not in written)
        check("colours: %r" % written[:99], ("\x1b[3" in written) == (not environment))
        check("no line", re.search(r"\r(\x1b\[\d+m)?(search|\d/4)", written))


def check_elsewhere(room):
    def run(*options):
        name = "out" + "".join(options).strip("-")
        result = subprocess.run([clade, "run", f"{room}/search.ini", "--out", f"{room}/runs/{name}",
                                 "--set", "confirm.seeds=2", "--set", "confirm.finalists=1", *options],
                                capture_output=True, check=True)
        check("no result", b"best genome " in result.stdout)
        check("codes", b"\x1b" not in result.stderr and b"\r" not in result.stderr)
        return result.stderr.decode().splitlines()
    dated = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d "
    lines = run()
    out = re.escape(f"{room}/runs/out")
    expected = [f"run {out} begins; reads the images in {re.escape(room)}$",
                f"run {out}: 2 slots on .+$",
                "search begins: 0 of 4 candidates have ended, 2 are a generation$",
                "generation 0: 2 evaluated, 0 failed, best .*; search [234]/4, overall best ",
                "generation 1: 2 evaluated, 0 failed, best .*; search 4/4, overall best ",
                "confirm begins: 0 of 2 trainings have ended, 500 epochs each, .* left$",
                r"c00000\d is confirmed under seed [12]: validation accuracy [01]\.\d{4}; confirm [12]/2",
                r"c00000\d is confirmed under seed [12]: validation accuracy [01]\.\d{4}; confirm 2/2",
                "test begins: 0 of 2 networks have met the test images$"]
    check("lines: %s" % lines, len(lines) == len(expected) and all(
        re.search(dated + pattern, line) for pattern, line in zip(expected, lines)))
    check("quiet", run("-q") == [])
    lines = run("--verbose")
    check("verbose: %s" % lines, all(re.search(dated, line) for line in lines)
          and re.search(dated + "info reads the training images", lines[0])
          and has(lines, dated + "info stage confirm", dated + "debug worker 1 starts on slot 0",
                  dated + "generation 1: "))


def check_first_line(room):
    """It is there before anything that takes time. No run comes of it: there are no images."""
    waits = []
    for _ in range(5):
        began = time.monotonic()
        with subprocess.Popen([clade, "run", f"{room}/search.ini", "--set", "data.train_images=none-there"],
                              stderr=subprocess.PIPE, cwd=room) as run:
            line = run.stderr.readline().decode()
            waits.append(time.monotonic() - began)
            run.kill()
        check("first line: %r" % line,
              re.search(f"^[-0-9]+T[:0-9]+ a run in runs begins; reads the images in {re.escape(room)}$",
                        line))
    check("the first line takes %s s" % waits, min(waits) < 0.1)


def check_goes_on(room):
    stopped = [clade, "run", f"{room}/search.ini", "--out", f"{room}/stopped",
               "--set", "search.cycles=12"]
    with subprocess.Popen(stopped, stderr=subprocess.PIPE) as run:
        while b"generation 0: " not in run.stderr.readline():
            pass
        run.terminate()
        run.stderr.read()
    check("stopped: %d" % run.returncode, run.returncode == 75)
    lines = subprocess.run([clade, "run", "--resume", f"{room}/stopped"], capture_output=True,
                           check=True).stderr.decode().splitlines()
    first = re.search(r"run \S+/stopped goes on, (\d+) candidates have ended; reads the images in ",
                      lines[0])
    check("goes on: %s" % lines, first and has(
        lines, f"search goes on: {first[1]} of 12 candidates have ended, 2 are a generation$"))


def check_closed_streams(room):
    """What would be printed does not end in files that have the numbers of closed streams."""
    for closed, code in (("2>&-", 0), (">&- 2>&-", 6), ("<&- >&- 2>&-", 6)):
        name = "closed%d" % len(closed)
        result = subprocess.run(
            ["sh", "-c", f'exec "$0" "$@" {closed}', clade, "run", f"{room}/search.ini", "--out",
             f"{room}/{name}"], stdout=subprocess.DEVNULL, check=False)
        check("%s: exit code %d" % (closed, result.returncode), result.returncode == code)
        with open(f"{room}/{name}/log.txt", encoding="utf-8") as file:
            lines = file.read().splitlines()
        check("%s: log.txt %s" % (closed, lines), lines and all(
            re.search(r"^[-0-9]+T[:0-9]+ (debug|info|warning|error) ", line) for line in lines))
        with open(f"{room}/{name}/lock", encoding="utf-8") as file:
            check("lock", re.fullmatch(r"\d+\n?", file.read()))


def listing(command, *arguments):
    said = subprocess.run([clade, command, *arguments], capture_output=True, check=True)
    return said.stdout.decode()


def check_status(room):
    status, = json.loads(listing("status", f"{room}/runs/block", "--format", "json"))
    row, = csv.DictReader(io.StringIO(listing("status", f"{room}/runs/block", "--format", "csv")))
    hostile = f"{room}/a\x1b[31m\nb"
    shutil.copytree(f"{room}/runs/block", hostile)
    with sqlite3.connect(f"{hostile}/store.sqlite") as store:
        store.execute("UPDATE run SET name = ?", (os.path.basename(hostile),))
    store.close()
    text = listing("status", hostile)
    check("status of a hostile name: %r" % text, text.startswith("run        a?[31m?b, finished\n"))
    check("status: %s %s" % (status, row), status["run"] == "block" and status["state"] == "finished"
          and status["done"] == 4 and list(status) == list(row)
          and abs(status["test_accuracy"] - float(row["test_accuracy"])) < 1e-6)


def check_versions(room):
    with open(f"{room}/runs/block/devices.csv", newline="", encoding="ascii") as file:
        device, = csv.DictReader(file)
    with open(f"{room}/runs/block/report.html", encoding="utf-8") as file:
        page = file.read()
    for column in ("platform", "platform_version", "driver_version", "device_version"):
        text = device[column].lstrip("'")
        check(f"{column}: {device}", text and f"<td>{text}</td>" in page)
    check(f"versions: {device}", device["platform_version"].startswith("OpenCL ")
          and device["device_version"].startswith("OpenCL "))


def check_log(room):
    names = ["block", "narrow50", "narrow100", "out", "outq", "outverbose"]
    shutil.copytree(f"{room}/runs/block", f"{room}/runs/20260131-021500")
    os.mkdir(f"{room}/runs/damaged")
    with open(f"{room}/runs/damaged/store.sqlite", "w", encoding="ascii") as store:
        store.write("no store")
    shutil.rmtree(f"{room}/runs/narrow50") # its row stays
    runs = {run["run"]: run for run in json.loads(listing("log", f"{room}/runs", "--format", "json"))}
    check("runs: %s" % runs, set(runs) == set(names + ["20260131-021500", "damaged"]))
    check("damaged: %s" % runs["damaged"], runs["damaged"]["state"] == "unreadable"
          and runs["damaged"]["test_accuracy"] is None)
    for name in names:
        check("%s: %s" % (name, runs[name]), runs[name]["state"] == "confirmed"
              and runs[name]["evaluated"] == 4 and 0 < runs[name]["elapsed_s"] < 1e4)
    # The store of a run that has no row says the same as a row.
    same = dict(runs["block"], run="20260131-021500", state="unfinished")
    for key, value in runs["20260131-021500"].items():
        check("%s: %s, %s" % (key, value, same[key]), value == same[key] or
              isinstance(value, float) and abs(value - same[key]) < 1e-5 * value)
    text = listing("log", f"{room}/runs").splitlines()
    check("text: %s" % text, len(text) == 9 and text[0].startswith("run  ")
          and text[0].endswith("best genome") and text[1].startswith("damaged "))
    check("order", [line.split()[0] for line in text[2:]][-1] == "outverbose")
    with open(f"{room}/runs/runs.csv", "w", encoding="ascii") as other:
        other.write("date,miles\n2026-01-01,5\n")
    for directory, code in ((f"{room}/runs", 3), (f"{room}/nothing", 2)):
        result = subprocess.run([clade, "log", directory], capture_output=True, check=False)
        check("%s" % result, result.returncode == code and len(result.stderr.splitlines()) == 1
              and result.stdout == b"")


with tempfile.TemporaryDirectory() as place:
    write_data(place)
    os.mkdir(f"{place}/runs")
    check_block(place)
    check_one_line(place)
    check_elsewhere(place)
    check_first_line(place)
    check_goes_on(place)
    check_closed_streams(place)
    check_status(place)
    check_versions(place)
    check_log(place)
