"""The page on performance is written from the results of a run, and its plots can be read out."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from benchmarks import floors, page, plots, results
from benchmarks.results import Results

DOCS = Path(__file__).parent.parent / "docs"


def test_page_is_what_the_results_give(tmp_path: Path) -> None:
    """Nobody has typed into docs/performance.md: results and template give it, byte for byte, and every plot."""
    page.write(results.read(), tmp_path)
    written = {file.relative_to(tmp_path) for file in tmp_path.rglob("*.*")}
    assert len(written) > 5
    for file in written:
        assert (tmp_path / file).read_text(encoding="utf-8") == (DOCS / file).read_text(encoding="utf-8"), file


def test_a_missed_floor_is_told() -> None:
    """A row beyond its bound is counted as missed, and says so in its table."""
    run = Results()
    run.add("gradients", "ours", "C", 1.7, floors.at_most(1.5))
    run.add("gradients", "ours", "torch eager", 0.5, floors.at_most(1.5))
    run.add("seed", "ours", "torch eager", 40.0, floors.at_least(50))
    assert [row.ratio for row in run.missed] == [1.7, 40.0]
    assert "| ours | C | 1.7 | ≤ 1.5, **missed** |" in page._table(run, "gradients: times as long", DOCS)
    assert "1 of 3 floors are met" in page._missed(run, "", DOCS)


@pytest.mark.parametrize("file", sorted((DOCS / "performance").glob("*.svg")), ids=lambda file: file.stem)
def test_plots_are_pictures_with_words(file: Path) -> None:
    """Each is well-formed, has a title and says its numbers, and is dark on a dark screen."""
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    space = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{space}title")
    assert any(character.isdigit() for character in root.findtext(f"{space}desc", ""))
    assert "prefers-color-scheme:dark" in root.findtext(f"{space}style", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [(13042.0, "13,000"), (412.3, "412"), (1.0, "1"), (0.0123, "0.012"), (2.4249, "2.42"), (1e-3, "0.001")],
)
def test_numbers(value: float, text: str) -> None:
    """Three digits above 1, two below."""
    assert plots.number(value) == text
