"""The Sphinx extension in a browser: nothing is wider than a phone, fractions are tall, colours are the page's."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sphinx", reason="needs Sphinx (pip install symgrad[sphinx])")

from sphinx_builds import CELL, EVERYTHING, build, write
from test_browser import BROWSER, brightness

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium (Debian: chromium)")

PROBE = """
<script>
const style = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
const blocks = [...document.querySelectorAll(".symgrad.derivation")];
document.documentElement.dataset.seen = JSON.stringify({
  page: document.documentElement.scrollWidth, window: innerWidth,
  wide: blocks.filter(block => block.scrollWidth > block.clientWidth).length, blocks: blocks.length,
  fraction: Math.min(...[...document.querySelectorAll(".derivation mfrac")].map(f => f.getBoundingClientRect().height)),
  font: parseFloat(style("body", "fontSize")),
  asked: [...document.querySelectorAll("link[rel=stylesheet], [src]")].map(e => new URL(e.href || e.src).protocol),
  legend: style(".symgrad-graph .legend text", "fill"),
  verdict: style(".symgrad .verdict.passed", "color"),
  border: style(".symgrad .equations td", "borderTopWidth"),
  ground: style(".symgrad-graph .node .box", "fill"),
});
</script>
"""


def seen(folder: Path, width: int, *options: str, body: str = "") -> dict[str, Any]:
    """What the probe saw on a project's page, in a frame of that width; `body` are attributes of the page's body."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    made = page.replace("<body", f"<body {body}", 1).replace("</body>", f"{PROBE}</body>")
    (folder / "probed.html").write_text(made, encoding="utf-8")
    copy = "document.title = this.contentDocument.documentElement.dataset.seen"
    frame = f"<iframe src='probed.html' width='{width}' height='2000' style='border:0' onload='{copy}'></iframe>"
    (folder / "frame.html").write_text(f"<html><body>{frame}</body></html>", encoding="utf-8")
    assert BROWSER is not None
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        "--allow-file-access-from-files", "--virtual-time-budget=4000", f"--user-data-dir={folder / 'profile'}",
        "--window-size=1300,2200", *options, "--dump-dom", (folder / "frame.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    title = re.search("<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title, done.stdout[:500] + done.stderr[-500:]
    found: dict[str, Any] = json.loads(title[1].replace("&quot;", '"').replace("&amp;", "&"))
    return found


@pytest.mark.parametrize("theme", ["alabaster", "furo"])
def test_a_page_is_laid_out(tmp_path: Path, theme: str) -> None:
    """At desktop and phone width fractions are tall, what is too wide scrolls in its own box, nobody is asked."""
    pytest.importorskip(theme)
    folder = build(write(tmp_path, {"index.rst": EVERYTHING}), "html", html_theme=theme, numfig=True).folder
    for width in (1200, 390):
        told = seen(folder, width)
        assert (told["window"], told["blocks"], told["wide"]) == (width, 4, 0)
        assert told["page"] <= width
        assert told["fraction"] > 1.3 * told["font"]
        assert set(told["asked"]) == {"file:"}


def test_colours_are_the_pages(tmp_path: Path) -> None:
    """Text and pictures are dark on a light page, though the system be dark, and light on a dark one."""
    folder = build(write(tmp_path, {"index.rst": EVERYTHING}), "html", html_theme="alabaster", numfig=True).folder
    dark_system = "--blink-settings=preferredColorScheme=0"
    for told in (seen(folder, 800), seen(folder, 800, dark_system)):
        assert brightness(told["legend"]) < 60 < 240 < brightness(told["ground"])
        assert brightness(told["verdict"]) < 90
    for options in ((), (dark_system,)):
        told = seen(folder, 800, *options, body='data-theme="dark"')
        assert brightness(told["legend"]) > 220 > 60 > brightness(told["ground"])
        assert brightness(told["verdict"]) > 120


def test_in_a_table_equations_have_no_lines_of_it(tmp_path: Path) -> None:
    """The lines that a theme draws around the cells of a page's table stop at a derivation in one of them."""
    folder = build(write(tmp_path, {"index.rst": CELL}), "html", html_theme="alabaster", numfig=True).folder
    assert seen(folder, 800)["border"] == "0px"
