"""What symgrad prints, byte for byte: every case in every format, with its numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import CASES, Case

import symgrad as sg
from symgrad.renderers import FORMATS

GOLDEN = Path(__file__).parent / "golden"
EXTENSIONS = {"text": "txt", "unicode": "unicode.txt", "latex": "tex", "json": "json"}

HOW_TO_UPDATE = "run pytest --update-golden and read the diff"


def golden_file(case: Case, format: str) -> Path:
    """Where a case's printout is kept."""
    return GOLDEN / f"{case.name}.{EXTENSIONS[format]}"


def printed(case: Case, format: str) -> bytes:
    """A case's printout with the numbers at its point, as the file that keeps it."""
    derivation = case.derive()
    evaluation = sg.compile(derivation)(case.at)
    return (sg.render(derivation, format, evaluation=evaluation) + "\n").encode()


def test_every_format_has_an_extension() -> None:
    """A format that render knows cannot be left out of the golden files; those of pages are in test_pages.py."""
    assert {*EXTENSIONS, "markdown", "html"} == set(FORMATS)


def test_case_names_are_unique() -> None:
    """No two cases write to the same file."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("format", EXTENSIONS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Case, format: str, request: pytest.FixtureRequest) -> None:
    """What is printed for a case is byte for byte what was read and approved."""
    file, actual = golden_file(case, format), printed(case, format)
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(actual)
    if not file.exists():
        pytest.fail(f"there is no golden/{file.name}; {HOW_TO_UPDATE}")
    expected = file.read_bytes()
    assert actual.decode() == expected.decode(), f"golden/{file.name} differs; if the change is meant, {HOW_TO_UPDATE}"
    assert actual == expected


def test_no_orphans(request: pytest.FixtureRequest) -> None:
    """Every golden file belongs to a case and a format, so that nothing approved goes unchecked."""
    wanted = {golden_file(case, format).name for case in CASES for format in EXTENSIONS}
    orphans = sorted(file.name for file in GOLDEN.iterdir() if file.is_file() and file.name not in wanted)
    if request.config.getoption("--update-golden"):
        for name in orphans:
            (GOLDEN / name).unlink()
        orphans = sorted(file.name for file in GOLDEN.iterdir() if file.is_file() and file.name not in wanted)
    assert not orphans, f"no case prints {', '.join(orphans)}; delete them, or {HOW_TO_UPDATE}"
