"""What symgrad prints for tensors, byte for byte: every model of the table, in every text format.

JSON is left to the tests that read it back; here stands what a person reads.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tensor_models import BY_NAME, derived

import symgrad as sg

GOLDEN = Path(__file__).parent / "golden" / "tensors"
EXTENSIONS = {"text": "txt", "unicode": "unicode.txt", "latex": "tex"}

HOW_TO_UPDATE = "run pytest --update-golden and read the diff"


def golden_file(name: str, format: str) -> Path:
    """Where a model's printout is kept."""
    return GOLDEN / f"{name}.{EXTENSIONS[format]}"


@pytest.mark.parametrize("format", EXTENSIONS)
@pytest.mark.parametrize("name", BY_NAME)
def test_golden(name: str, format: str, request: pytest.FixtureRequest) -> None:
    """What is printed for a model is byte for byte what was read and approved."""
    file, actual = golden_file(name, format), sg.render(derived(name), format) + "\n"
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(actual, encoding="utf-8")
    if not file.exists():
        pytest.fail(f"there is no golden/tensors/{file.name}; {HOW_TO_UPDATE}")
    expected = file.read_text(encoding="utf-8")
    assert actual == expected, f"golden/tensors/{file.name} differs; if the change is meant, {HOW_TO_UPDATE}"


def test_no_orphans() -> None:
    """Every golden file belongs to a model and a format."""
    wanted = {golden_file(name, format).name for name in BY_NAME for format in EXTENSIONS}
    assert sorted(file.name for file in GOLDEN.iterdir() if file.name not in wanted) == []
