"""What the measuring programs share: facts about the machine, and tables for people and programs."""

import csv
import datetime
import os
import statistics
import sys


def median(values):
    """None of nothing."""
    return statistics.median(values) if values else None


def now_utc():
    """As clade writes times."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def machine():
    """The processor and how many cores of it may be used. Virtual machines call processors of several
    generations by one name: family and model tell them apart."""
    facts = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file.read().split("\n\n", 1)[0].splitlines():
                key, _, value = line.partition(":")
                facts[key.strip()] = value.strip()
    except OSError:
        pass
    text = facts.get("model name", "unknown processor")
    if "cpu family" in facts and "model" in facts:
        text += f" (family {facts['cpu family']}, model {facts['model']})"
    return f"{text}, {len(os.sched_getaffinity(0))} cores"


def number(digits, scale=1, unit=""):
    """A format of numbers; of None an empty cell."""
    return lambda value: "" if value is None else f"{scale * value:.{digits}f}{unit}"


def span(digits):
    """A format of two numbers, the least and the greatest; of None an empty cell."""
    return lambda low, high: "" if low is None else f"{low:.{digits}f}-{high:.{digits}f}"


def text(value):
    """A format of everything else; of None an empty cell."""
    return "" if value is None else str(value)


def code(value):
    """A format of text that is typed, such as a genome."""
    return f"`{value}`"


def read_csv(printed):
    """Rows of a table that was printed as CSV, cells as text."""
    return list(csv.DictReader(printed.splitlines()))


def print_csv(rows, facts):
    """Numbers bare with six digits, a missing one empty; the facts in each row's last columns."""
    writer = csv.writer(sys.stdout)
    writer.writerow([*rows[0], *facts])
    for row in rows:
        cells = [f"{v:.6f}" if isinstance(v, float) else v for v in row.values()]
        writer.writerow([*cells, *facts.values()])


def print_table(rows, columns, facts, markdown):
    """For people. A column is keys of the rows with commas between, a heading, a format of them."""
    head = [heading for _, heading, _ in columns]
    lines = [
        [form(*(row[key] for key in keys.split(","))) for keys, _, form in columns] for row in rows
    ]
    for key, value in facts.items():
        if value:
            print(f"{'- ' if markdown else ''}{key.replace('_', ' ')}: {value}")
    print()
    if markdown:
        print("| " + " | ".join(head) + " |")
        print("|" + "---|" * len(head))
        for line in lines:
            print("| " + " | ".join(line) + " |")
        return
    lines = [[cell.strip("`") for cell in line] for line in [head, *lines]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def show(rows, columns, facts, form):
    """In the format csv, text or markdown."""
    if form == "csv":
        print_csv(rows, facts)
    else:
        print_table(rows, columns, facts, form == "markdown")
