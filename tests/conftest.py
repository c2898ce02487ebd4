"""The option that rewrites golden files, and the two arithmetics of the checks on tensors."""

from __future__ import annotations

import pytest

from symgrad.checks import spaces


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden from what symgrad prints now")


@pytest.fixture(params=["balls", "extended"])
def arithmetic_used(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test in either arithmetic."""
    if request.param == "extended":
        monkeypatch.setattr(spaces, "LIMIT", -1)
    return str(request.param)
