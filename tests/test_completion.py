#!/usr/bin/env python3
"""Completion in bash, typed: tests/test_completion.py CLADE

A real bash in a pseudo-terminal sources what `clade completion bash` prints. The function clade there
shows its arguments, so a line with tabs in it tells what readline made of it.
"""
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time

PROMPT = "ready>"


class Shell:
    """An interactive bash in `directory`."""

    def __init__(self, directory, script, breaks=None):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(directory)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"],
                       {"PATH": os.environ["PATH"], "HOME": directory, "TERM": "dumb",
                        "PS1": PROMPT, "LC_ALL": "C", "INPUTRC": "/dev/null", "COLUMNS": "4000"})
        self.read_prompt()
        if breaks is not None:
            self.type(f"COMP_WORDBREAKS='{breaks}'\r")
        for line in ("bind 'set bell-style none'", "bind 'set page-completions off'",
                     "bind 'set completion-query-items 0'", "stty cols 1000",
                     "clade() { printf '<%s>' \"$@\"; echo; }", f"source {script}"):
            self.type(line + "\r")

    def read_prompt(self, behind=""):
        """What is printed up to a prompt, the one that follows `behind`."""
        said = ""
        end = time.monotonic() + 60
        while behind + PROMPT not in said:
            ready, _, _ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            if not ready:
                sys.exit(f"test_completion: bash does not answer; it said {said!r}")
            said += os.read(self.terminal, 65536).decode()
        return said.replace("\r", "")

    def type(self, keys, behind=""):
        os.write(self.terminal, keys.encode())
        return self.read_prompt(behind)

    def line(self, keys):
        """The arguments that clade gets when `keys` and Return are typed after its name."""
        said = self.type(f"clade {keys}\r")
        shown = [line for line in said.splitlines() if line.startswith("<")]
        if len(shown) != 1:
            sys.exit(f"test_completion: {keys!r} gives {said!r}")
        return re.findall(r"<([^>]*)>", shown[0])

    def choices(self, keys):
        """What is offered for a word with several endings; the line is then given up."""
        said = self.type(f"clade {keys}\x1b?")  # lists, then draws prompt and line again
        offered = said[:said.rindex(PROMPT)].splitlines()[1:]
        # Ctrl-U, not Ctrl-C: an interrupt empties the terminal's buffers, at times of the next prompt.
        # readline may draw the prompt again for the emptied line; it is the one behind "given up".
        self.type("\x15clade given up\r", "<given><up>\r\n")
        return " ".join(offered).split()

    def close(self):
        os.write(self.terminal, b"exit\r")
        os.close(self.terminal)
        os.waitpid(self.process, 0)


def check(what, found, expected):
    if found != expected:
        sys.exit(f"test_completion: {what}: {found}, expected {expected}")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def check_against_program(clade, shell):
    """Commands, options and keys are those that the program speaks of."""
    listed = re.search(r"Commands:\n(.*?)\n\n", output(clade, "--help"), re.DOTALL)[1]
    commands = [line.split()[0] for line in listed.splitlines()]
    check("commands", sorted(shell.choices("")),
          sorted(commands + ["help", "--help", "--version"]))
    for command in commands:
        options = re.findall(r"^  (?:-., )?(--[a-z-]+)", output(clade, command, "--help"), re.MULTILINE)
        if len(options) == 1:
            check(command, shell.line(f"{command} --\t"), [command, *options])
        else:
            check(command, sorted(shell.choices(f"{command} --")), sorted(options))
    section = ""
    keys = []
    for line in output(clade, "run", "--print-settings").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line:
            keys.append(f"{section}.{line.split()[0]}=")
    check("settings", sorted(shell.choices("run --set ")), sorted(keys))
    check("settings of devices", sorted(shell.choices("devices --set ")),
          sorted(key for key in keys if key.startswith("devices.")))


LINES = {
    "desc\t": ["describe"],
    "help desc\t": ["help", "describe"],
    "run --res\tru\t": ["run", "--resume", "runs/"],
    "run q\t": ["run", "quick.ini"],
    "run o\t": ["run", "o"],
    "run 'a b\t": ["run", "a b.ini"],
    "run q\t--set search.al\tag\t": ["run", "quick.ini", "--set", "search.algorithm=aging"],
    "run q\t--set=search.al\tag\t": ["run", "quick.ini", "--set=search.algorithm=aging"],
    "compare q\t--ta\to\t": ["compare", "quick.ini", "--table", "other.csv"],
    "compare --format ma\t": ["compare", "--format", "markdown"],
    "table b\tq\t": ["table", "build", "quick.ini"],
    "train --conv win\t": ["train", "--conv", "winograd"],
    "train --conv win\tNC8\t": ["train", "--conv", "winograd", "NC8"],
    "train NC8k3:re\t": ["train", "NC8k3:re"],
    "describe NC8k3:relu-RC8k3:relu-FC64:relu --cl\t":
        ["describe", "NC8k3:relu-RC8k3:relu-FC64:relu", "--classes"],
    "eval b\t": ["eval", "best.safetensors"],
    "eval ru\t": ["eval", "runs/"],
    "export-csv --dialect ex\t": ["export-csv", "--dialect", "excel-eu"],
    "nothing --\t": ["nothing", "--"],
}
# readline marks a directory where it sees one: not in a word of which "=" is a part.
PATHS_BEHIND_SIGNS = {
    "run --out=ru\t": ["run", "--out=runs/"],
    "run --set data.dir=ru\t": ["run", "--set", "data.dir=runs/"],
}


def check_lines(shell, lines):
    for keys, expected in lines.items():
        check(repr(keys), shell.line(keys), expected)


def main():
    clade = sys.argv[1]
    with tempfile.TemporaryDirectory() as room:
        script = os.path.join(room, ".completion")
        with open(script, "w", encoding="ascii") as file:
            file.write(output(clade, "completion", "bash"))
        subprocess.run(["shellcheck", script], check=True)
        os.mkdir(os.path.join(room, "runs"))
        for name in ("quick.ini", "a b.ini", "other.csv", "best.safetensors", "NC8.txt"):
            open(os.path.join(room, name), "w", encoding="ascii").close()
        shell = Shell(room, script)
        check_against_program(clade, shell)
        check_lines(shell, {**LINES, **PATHS_BEHIND_SIGNS})
        shell.close()
        shell = Shell(room, script, breaks=" \t\n")  # as some people set it: words are whole
        check_lines(shell, LINES)
        shell.close()


main()
