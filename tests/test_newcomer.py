#!/usr/bin/env python3
"""A newcomer's path: the commands of README.md, as they stand there, in a copy of the source tree.

    tests/test_newcomer.py CHROMIUM

Every line of a block marked "sh" is typed, in order, but for ./script/test (which is what runs this).
Only the quick search is made shorter, in the copy. What a person would do with the mouse is done
here: the report is opened in a browser and its charts are looked at.
"""
import csv
import html
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_TYPED = ["./script/test"]
SHORTER = {"population": 4, "sample": 2, "cycles": 8, "epochs": 1, "train_images": 2000}

# Stands in for the desktop: opens the page where this test can see what became of it.
XDG_OPEN = """#!/bin/sh
exec "{chromium}" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \\
    --enable-logging=stderr --user-data-dir="{room}/profile" --virtual-time-budget=2000 \\
    --timeout=120000 --dump-dom "file://$(realpath "$1")" >"{room}/page" 2>"{room}/console"
"""


def check(what, ok):
    if not ok:
        sys.exit(f"test_newcomer: {what}")


def copy_tree(copy):
    """What a clone would hold, with what was changed since the last commit."""
    names = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, copy / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)


def shorten(search):
    text = search.read_text(encoding="ascii")
    for key, value in SHORTER.items():
        text, count = re.subn(rf"^{key} = \d+", f"{key} = {value}", text, flags=re.MULTILINE)
        check(f"quick.ini has no {key}", count > 0)
    search.write_text(text, encoding="ascii")


def commands(readme):
    """The lines of the blocks, with continued ones whole."""
    lines = []
    for block in re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL):
        lines += block.replace("\\\n", " ").splitlines()
    typed = [line for line in lines if line.split()[0] not in NOT_TYPED]
    check("README.md has not the command that is left out", len(typed) < len(lines))
    return typed


def check_page(room):
    console = (room / "console").read_text(errors="replace")
    check("the browser's console: " + console, "CONSOLE" not in console)
    page = (room / "page").read_text()
    found = re.search(r'<html[^>]*\sdata-charts="([^"]*)"', page)
    check("the report has no charts", found)
    charts = json.loads(html.unescape(found[1]))
    check(f"charts: {charts}", charts["size"]["candidates"] == SHORTER["cycles"])


def check_classes(said, copy):
    """The lines of classify.py, against what clade says of the same images."""
    lines = re.findall(r"^ *(\d+)  (\S.*?) +([01]\.\d{3})$", said, re.MULTILINE)
    check("classify.py: " + said, [int(line[0]) for line in lines] == list(range(20)))
    with open(copy / "logits.csv", newline="", encoding="ascii") as file:
        classes = [int(row[2]) for row in list(csv.reader(file))[1:21]]
    names = {}
    for (_, name, _), number in zip(lines, classes):
        check(f"{name} is class {number} and {names.get(name)}",
              names.setdefault(name, number) == number)
    check("class names: " + ", ".join(names), "Sneaker" in names or "Ankle boot" in names)


def main():
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        copy, home, stand_ins = room / "clade", room / "home", room / "bin"
        for directory in (copy, home, stand_ins):
            directory.mkdir()
        copy_tree(copy)
        shorten(copy / "inputs/searches/quick.ini")
        # Made by the set-up of the tests, from a registry; here it is only looked for.
        (copy / ".venv-onnx").symlink_to(ROOT / ".venv-onnx")
        (stand_ins / "xdg-open").write_text(XDG_OPEN.format(chromium=sys.argv[1], room=room))
        (stand_ins / "xdg-open").chmod(0o755)
        typed = commands((copy / "README.md").read_text(encoding="utf-8"))
        typed.append("clade eval runs/first --logits logits.csv >/dev/null")  # to compare with
        (room / "typed").write_text("set -euxo pipefail\n" + "\n".join(typed) + "\n")
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        result = subprocess.run(
            ["bash", room / "typed"], cwd=copy, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False,
            env={"HOME": str(home), "PATH": f"{stand_ins}:/usr/local/bin:/usr/bin:/bin",
                 "LANG": "C.UTF-8", "XDG_CACHE_HOME": cache})
        check(f"ended with {result.returncode}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}",
              result.returncode == 0)
        check_page(room)
        check_classes(result.stdout[result.stdout.index("  0  "):], copy)
        print(f"test_newcomer: {len(typed) - 1} commands of README.md")


main()
