"""Options and processes of a run, the place of compiled code, and both arithmetics of the checks on tensors."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from symgrad.checks import spaces


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden from what symgrad prints now")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process a processor for the whole suite; benchmarks have the machine to themselves, a few files start soon."""
    if any("benchmarks" in argument or ".py" in argument for argument in config.args):
        config.option.dist = "no"
        return 0
    return min(os.cpu_count() or 1, 8)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or leaves compiled code in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_heard() -> None:
    """Tests of Ctrl-C also work where a shell started pytest in the background, with SIGINT ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["balls", "extended"])
def arithmetic_used(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test in either arithmetic."""
    if request.param == "extended":
        monkeypatch.setattr(spaces, "LIMIT", -1)
    return str(request.param)
