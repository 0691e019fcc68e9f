"""report.html in a real browser: test_chromium.py FAKE_RUN CHROMIUM

The page is opened from a file at 50 and at 20,000 candidates. It must make its charts with all their
points, print nothing to the console, ask for nothing, stay under 3 MB, show names from outside as
the text that they are, and be no wider than a phone.
"""
import html
import json
import os
import re
import subprocess
import sys
import tempfile

fake_run, chromium = sys.argv[1:3]


def check(what, ok):
    if not ok:
        sys.exit("test_chromium: " + what)


# The page in a frame as wide as a phone: nothing but what scrolls by itself may stick out. And what is
# said of a candidate on the front, when the pointer is on it in both sets of points.
PHONE = """<!DOCTYPE html><iframe src="report.html" width="390" height="800"></iframe><script>
onload = () => {
  const page = document.querySelector("iframe").contentDocument;
  const wide = [...page.querySelectorAll("body *")].filter((e) => !e.closest(".scroll") &&
    e.getBoundingClientRect().right > 391).map((e) => e.tagName + " " + e.id);
  document.documentElement.setAttribute("data-phone", JSON.stringify(
    [page.documentElement.scrollWidth, page.querySelectorAll("canvas").length, wide]));
  const chart = document.querySelector("iframe").contentWindow.Chart.getChart("size");
  const sets = chart.data.datasets;
  const front = sets.findIndex((set) => set.label === "Pareto front");
  const all = sets.findIndex((set) => set.label === "candidates");
  const index = sets[all].data.findIndex((point) => point.i === sets[front].data[0].i);
  chart.tooltip.setActiveElements([{datasetIndex: front, index: 0}, {datasetIndex: all, index}],
    {x: 0, y: 0});
  document.documentElement.setAttribute("data-tip", JSON.stringify(chart.tooltip.body.map((b) => b.lines)));
};
</script>
"""


def open_page(path, profile):
    result = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--enable-logging=stderr", "--allow-file-access-from-files", "--user-data-dir=" + profile, "--virtual-time-budget=2000",
         "--timeout=120000", "--dump-dom", "file://" + path],
        capture_output=True, text=True, timeout=280, check=False)
    check("chromium ended with %d: %s" % (result.returncode, result.stderr[-2000:]),
          result.returncode == 0)
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    check("the console has: " + "\n".join(console), not console)
    return result.stdout


def attribute(dom, name):
    found = re.search(r'<html[^>]*\s%s="([^"]*)"' % name, dom)
    check("the script did not set " + name, found)
    return json.loads(html.unescape(found[1]))


with tempfile.TemporaryDirectory() as room:
    for count in (50, 20000):
        directory = os.path.join(room, str(count))
        os.mkdir(directory)
        subprocess.run([fake_run, directory, str(count)], check=True)
        path = os.path.join(directory, "report.html")
        size = os.path.getsize(path)
        check("%d candidates make %d bytes" % (count, size), size < 3e6)
        dom = open_page(path, os.path.join(room, "profile"))
        check("errors: %s" % attribute(dom, "data-errors"), attribute(dom, "data-errors") == [])
        charts = attribute(dom, "data-charts")
        scored = count - sum(1 for i in range(count) if i % 17 == 16)
        generations = (count + 9) // 10
        check("points: %s" % charts,
              charts["size"]["candidates"] == charts["progress"]["candidates"] == scored
              and charts["size"]["best"] == 1 and charts["size"]["Pareto front"] >= 1
              and charts["progress"]["mean of a generation"] == generations
              and len(charts["curves"]) == 2 and set(charts["curves"].values()) == {5}
              and charts["operators"]["children better than their parent"] == 5
              and charts["images"] == 30
              and charts["timeline"]["lanes"] == 3 and charts["timeline"]["spans"] > 3)
        check("a name from outside became a part of the page",
              "<b>\"'&" not in dom and "alert(1)</script>" not in dom.split("</title>")[1]
              and "=2+3&lt;/title&gt;&lt;script&gt;alert(1)" in dom)
        with open(path, encoding="ascii") as page:
            check("the page names an address", not re.search(r'(?:src|href)="(?!data:)', page.read()))
        with open(os.path.join(directory, "phone.html"), "w", encoding="ascii") as page:
            page.write(PHONE)
        dom = open_page(os.path.join(directory, "phone.html"), os.path.join(room, "profile"))
        phone, tip = attribute(dom, "data-phone"), attribute(dom, "data-tip")
        check("on a phone: %s" % phone, phone[0] <= 390 and phone[1:] == [4, []])
        check("of a point: %s" % tip, len(tip) == 1
              and re.fullmatch(r"c\d{6}, generation \d+, [a-z]+", tip[0][0])
              and re.fullmatch(r"[\d,]+ parameters, accuracy 0\.\d{4}", tip[0][1])
              and re.fullmatch(r"([NR]C\d+k\d:[a-z]+-)+FC64:[a-z]+", "".join(tip[0][2:])))
        print("%d candidates: %d bytes, %s" % (count, size, charts["size"]))
