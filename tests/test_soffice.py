"""The CSV files in LibreOffice Calc: test_soffice.py FAKE_RUN SOFFICE

Calc opens every table and gives it back as flat ODS, in which cells have types. In en_US with the
dialect rfc4180, and in de_DE with excel-eu, every number must arrive as the number that was written,
every time as a date, and text as text; no cell is ever a formula. In de_DE a file of rfc4180 is opened
twice: with English chosen as its language in the dialog, where the same holds, and without, where a
number with a point may be a text, but never a wrong number.
"""
import csv
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
import zipfile

fake_run, soffice = sys.argv[1:3]
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TABLES = ["candidates", "generations", "pareto", "operators", "finalists", "devices", "epochs"]
LOCALE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale" oor:op="fuse">
<value>%s</value></prop></item></oor:items>
"""


def check(what, ok):
    if not ok:
        sys.exit("test_soffice: " + what)


def convert(room, locale, dialect, paths, english=False):
    profile = os.path.join(room, "profile-" + locale)
    os.makedirs(os.path.join(profile, "user"), exist_ok=True)
    with open(os.path.join(profile, "user", "registrymodifications.xcu"), "w",
              encoding="utf-8") as settings:
        settings.write(LOCALE % locale)
    out = tempfile.mkdtemp(dir=room)
    # What the dialog asks for on the screen: delimiter, double quotes, UTF-8, the first row, no
    # formats of columns, and the language, that of the user unless it is given. Without any, Calc
    # takes commas.
    tokens = "59,34,76" if dialect == "excel-eu" else "44,34,76,1,,1033" if english else ""
    options = ["--infilter=Text - txt - csv (StarCalc):" + tokens] if tokens else []
    subprocess.run([soffice, "-env:UserInstallation=file://" + profile, "--headless"] + options +
                   ["--convert-to", "fods", "--outdir", out] + paths,
                   check=True, timeout=280, capture_output=True)
    return out


def cells_of(path):
    return rows_of(ET.parse(path).getroot())


def rows_of(sheet):
    """Rows of (type, value, formula)."""
    rows = []
    for row in sheet.iter(TABLE + "table-row"):
        cells = []
        for cell in row.findall(TABLE + "table-cell"):
            kind = cell.get(OFFICE + "value-type")
            value = {"float": cell.get(OFFICE + "value"), "date": cell.get(OFFICE + "date-value")}.get(
                kind, "".join("".join(p.itertext()) for p in cell.findall(TEXT + "p")))
            times = int(cell.get(TABLE + "number-columns-repeated", "1"))
            cells += [(kind, value, cell.get(TABLE + "formula"))] * min(times, 64)
        rows += [cells] * min(int(row.get(TABLE + "number-rows-repeated", "1")), 64)
    return rows


def compare(name, dialect, path, read, lenient=False, digits=1e-9):
    eu = dialect == "excel-eu"
    with open(path + "-metadata.json", encoding="ascii") as metadata:
        columns = json.load(metadata)["tableSchema"]["columns"]
    with open(path, newline="", encoding="utf-8-sig") as table:
        written = list(csv.reader(table, delimiter=";" if eu else ","))
    check(name + ": has no rows", len(written) > 1)
    check(name + ": the header is " + str(read[0]),
          [c[1] for c in read[0][:len(columns)]] == [c["name"] for c in columns])
    numbers = 0
    for r, row in enumerate(written[1:], 1):
        for c, text in enumerate(row):
            kind, value, formula = read[r][c] if c < len(read[r]) else (None, "", None)
            where = "%s, row %d, %s: wrote %r, Calc has %r" % (name, r, columns[c]["name"], text,
                                                               (kind, value, formula))
            check(where, formula is None)
            datatype = columns[c]["datatype"]
            base = datatype["base"] if isinstance(datatype, dict) else datatype
            if text == "":
                check(where, kind is None)
            elif base in ("integer", "double"):
                number = float(text.replace(",", ".") if eu else text)
                if lenient and kind == "string":
                    check(where, value == text)
                else:
                    check(where, kind == "float" and abs(float(value) - number) <= digits * max(abs(number), 1))
                    numbers += 1
            elif base == "dateTime":
                check(where, kind == "date" and value == text)
            else:
                check(where, kind == "string" and value in (text, text.lstrip("'")))
    return numbers


def check_workbook(room, locale, parent):
    """Every sheet has the cells of its CSV file, typed; charts are there; nothing is a formula."""
    directory = os.path.join(parent, "run")
    book = os.path.join(directory, "results.xlsx")
    with zipfile.ZipFile(book) as parts:
        charts = [name for name in parts.namelist() if name.startswith("xl/charts/chart")]
    check("the workbook has the charts %s" % charts, len(charts) == 2)
    sheets = ET.parse(os.path.join(convert(room, locale, "xlsx", [book]), "results.fods"))
    names = [s.get(TABLE + "name") for s in sheets.getroot().iter(TABLE + "table")]
    names = [name for name in names if name is not None and name != "local-table"]
    check("the sheets are %s" % names,
          names == ["Summary"] + [name.capitalize() for name in TABLES[:6]] + ["Dictionary"])
    for sheet in sheets.getroot().iter(TABLE + "table"):
        check("a cell is a formula", all(c.get(TABLE + "formula") is None
                                         for c in sheet.iter(TABLE + "table-cell")))
        name = (sheet.get(TABLE + "name") or "").lower()
        if name not in TABLES:
            continue
        path = os.path.join(directory, name + ".csv")
        print(locale, "xlsx", name, compare(name, "rfc4180", path, rows_of(sheet), digits=6e-7), "numbers")


with tempfile.TemporaryDirectory() as room:
    for locale, dialect, english, lenient in (("en-US", "rfc4180", False, False),
                                              ("de-DE", "excel-eu", False, False),
                                              ("de-DE", "rfc4180", True, False),
                                              ("de-DE", "rfc4180", False, True)):
        parent = tempfile.mkdtemp(dir=room)
        directory = os.path.join(parent, "run")
        os.mkdir(directory)
        subprocess.run([fake_run, directory, "40", dialect], check=True)
        paths = sorted(os.path.join(folder, name) for folder in (directory, parent)
                       for name in os.listdir(folder) if name.endswith(".csv"))
        check("the tables are %s" % paths,
              {os.path.basename(path)[:-4] for path in paths} >= set(TABLES + ["runs"]))
        out = convert(room, locale, dialect, paths, english)
        for path in paths:
            name = os.path.basename(path)[:-4]
            numbers = compare(name, dialect, path, cells_of(os.path.join(out, name + ".fods")),
                              lenient)
            check("%s has no number" % name, numbers > 0)
            print(locale, dialect, "in English" if english else "", name, numbers, "numbers")
        if dialect == "rfc4180" and not lenient:
            check_workbook(room, locale, parent)
