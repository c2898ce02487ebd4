"""Pages in a browser: fractions have a height, nothing is wider than a phone, a node that is focused marks its lines.

A probe is put at the end of each page, which looks at the layout and writes what it sees into the page itself.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from symgrad.cli import run
from symgrad.examples import source

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium (Debian: chromium)")

PROBE = """
<script>
const errors = [];
addEventListener("error", event => errors.push(event.message));
const box = element => element.getBoundingClientRect();
const lines = name => [...document.querySelectorAll(`[data-line="${name}"]`)];
const ground = element => getComputedStyle(element).backgroundColor;
const lit = name => lines(name).filter(element => !/, 0\\)$|transparent/.test(ground(element))).length;
const nodes = [...document.querySelectorAll("[id^=node-]")];
const node = nodes.find(element => lines(element.id.replace("node-", "")).length);
const name = node.id.replace("node-", "");
const before = lit(name);
node.focus();
document.documentElement.dataset.seen = JSON.stringify({
  errors, before, after: lit(name), lines: lines(name).length,
  fraction: Math.min(...[...document.querySelectorAll("mfrac")].map(f => box(f).height).filter(Boolean)),
  font: parseFloat(getComputedStyle(document.body).fontSize),
  page: document.documentElement.scrollWidth, window: innerWidth,
  open: [...document.querySelectorAll("details")].filter(d => d.open).length,
  requests: performance.getEntriesByType("resource").length,
  scripts: document.scripts.length,
  rules: Math.min(...[...document.querySelectorAll(".blank:not(.short) > .rule")].map(r => box(r).width)),
  // how close the ink of formulas in one row comes to that of the next, and what scrolls up and down
  gap: Math.min(...[...document.querySelectorAll("tr")].map(row => [row, row.nextElementSibling])
    .filter(pair => pair.every(row => row && row.querySelector("mfrac")))
    .map(([row, next]) => Math.min(...[...next.querySelectorAll("mfrac")].map(f => box(f).top))
      - Math.max(...[...row.querySelectorAll("mfrac")].map(f => box(f).bottom)))),
  upright: [...document.querySelectorAll(".scroll, summary")]
    .filter(e => e.scrollHeight > e.clientHeight + 1 || getComputedStyle(e).overflowY != "hidden").length,
  ink: getComputedStyle(document.body).color, ground: getComputedStyle(document.body).backgroundColor,
});
</script>
"""


def seen(page: str, folder: Path, width: int, *options: str) -> dict[str, Any]:
    """What the probe saw on a page in a window of that width."""
    file = folder / "probed.html"
    file.write_text(page.replace("</main>", PROBE + "</main>"), encoding="utf-8")
    framed = folder / "frame.html"  # a headless window has a least width, a frame has not
    frame = f'<iframe src="probed.html" width="{width}" height="2000" style="border:0"></iframe>'
    copy = 'onload="document.title = this.contentDocument.documentElement.dataset.seen"'
    framed.write_text(f"<html><body>{frame.replace('<iframe', f'<iframe {copy}')}</body></html>", encoding="utf-8")
    assert BROWSER is not None
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        "--allow-file-access-from-files", "--virtual-time-budget=4000", f"--user-data-dir={folder / 'profile'}",
        "--window-size=1300,2200", *options, "--dump-dom", framed.as_uri(),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    title = re.search("<title>(.*?)</title>", result.stdout, re.DOTALL)
    assert title, result.stdout[:500] + result.stderr[-500:]
    found: dict[str, Any] = json.loads(title[1].replace("&quot;", '"').replace("&amp;", "&"))
    return found


def brightness(colour: str) -> float:
    """Of a colour as a browser says it."""
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("example", ["seed", "fork", "mlp"])
def test_reports(example: str, width: int, tmp_path: Path) -> None:
    """The report is laid out: fractions are tall, nothing is too wide, steps are open, marks work, no request."""
    data = {"seed": ["-w", "w", "--data", "x=1,2,3", "--data", "y=2,4,6", "--init", "w=1"]}.get(example, [])
    assert run(["report", source(example), *data, "-o", str(tmp_path / "r.html")]) == 0
    told = seen((tmp_path / "r.html").read_text(encoding="utf-8"), tmp_path, width)
    assert told["errors"] == []
    assert told["requests"] == 0
    assert told["scripts"] == 1, "the probe alone"
    assert told["window"] == width
    assert told["page"] <= width
    assert told["fraction"] > 1.5 * told["font"]
    assert told["gap"] > 0.6 * told["font"], "rows of fractions stand apart"
    assert told["upright"] == 0, "nothing scrolls up and down, and nothing is cut off"
    assert told["open"] >= 1
    assert told["before"] == 0
    assert told["after"] == told["lines"] > 0


def test_dark(tmp_path: Path) -> None:
    """The page follows the reader's choice of light or dark."""
    assert run(["report", source("seed"), "-o", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    light = seen(page, tmp_path, 800)
    dark = seen(page, tmp_path, 800, "--blink-settings=preferredColorScheme=0")
    assert brightness(light["ground"]) > 200 > 100 > brightness(light["ink"])
    assert brightness(dark["ground"]) < 60 < 180 < brightness(dark["ink"])


@pytest.mark.parametrize("width", [1200, 390])
def test_worksheets(width: int, tmp_path: Path) -> None:
    """A worksheet fits the window; its key is folded shut."""
    point = ["--at", "x=0.5,y=1,w=1.5,c=0.25"]
    arguments = [source("fork"), "-w", "w", *point, "--blanks", "--solutions", "-o", str(tmp_path / "r.html")]
    assert run(["report", *arguments]) == 0
    told = seen((tmp_path / "r.html").read_text(encoding="utf-8"), tmp_path, width)
    assert told["errors"] == []
    assert told["requests"] == 0
    assert told["page"] <= width
    assert told["open"] == 0
    assert told["rules"] > 8 * told["font"], "room for handwriting"


def test_printed(tmp_path: Path) -> None:
    """In print the folded key is there, on a page of its own."""
    pages = {}
    for name, options in (("sheet", ["--blanks"]), ("both", ["--blanks", "--solutions"])):
        file = tmp_path / f"{name}.html"
        assert run(["report", "l = w**2", *options, "-o", str(file)]) == 0
        pages[name] = len(re.findall(rb"/Type\s*/Page\b", on_paper(file, tmp_path)))
    assert pages == {"sheet": 1, "both": 2}


def on_paper(file: Path, folder: Path) -> bytes:
    """A page as the browser prints it, in PDF."""
    assert BROWSER is not None
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={folder / 'page.pdf'}", file.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    return (folder / "page.pdf").read_bytes()
