"""One run of the benchmarks: everything on one thread, its results in one place, and the page on request."""

from __future__ import annotations

import os

# before NumPy and torch are loaded, which count their threads then
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import time  # noqa: E402
from collections.abc import Callable, Generator, Iterator, Mapping  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from . import page, results  # noqa: E402
from . import race as racing  # noqa: E402
from .race import Clock, Race, Times  # noqa: E402
from .results import Results  # noqa: E402

RUN = pytest.StashKey[Results]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-docs`."""
    parser.addoption("--update-docs", action="store_true", help="write the results and docs/performance.md")


def pytest_configure(config: pytest.Config) -> None:
    """Start a run."""
    import torch

    torch.set_num_threads(1)
    config.stash[RUN] = Results(results.machine())


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Libraries that read no variable are held back too."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def found(request: pytest.FixtureRequest) -> Results:
    """Where a benchmark puts what it finds."""
    return request.config.stash[RUN]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A benchmark fails if any of its floors is missed, after all were measured."""
    run = item.config.stash[RUN]
    before = len(run.rows)
    yield
    missed = [row for row in run.rows[before:] if not row.met]
    if missed:
        pytest.fail("\n".join(f"{r.what} / {r.beside}: {r.ratio:g}, floor {r.floor}" for r in missed), pytrace=False)


@pytest.fixture
def race(request: pytest.FixtureRequest) -> Race:
    """Rivals in turn; pytest-benchmark repeats the rounds and keeps their statistics, for --benchmark-json."""

    def run(rivals: Mapping[str, Callable[[], Any]], seconds: float = 5.0, clock: Clock = time.process_time) -> Times:
        benchmark = request.getfixturevalue("benchmark")
        times = racing.race(
            rivals, seconds, clock, lambda one, rounds: benchmark.pedantic(one, rounds=rounds, iterations=1)
        )
        benchmark.extra_info.update({name: times.median(name) for name in rivals})
        return times

    return run


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the results and the page."""
    if session.config.getoption("--update-docs"):
        run = session.config.stash[RUN]
        run.write()
        page.write(run)
