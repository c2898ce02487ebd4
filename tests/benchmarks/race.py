"""Timing that a busy machine cannot bend: rivals run in turn, in one process, and only their ratios are told.

In each round every rival runs once, in an order drawn anew: what a round's noise does to one it does to the others, and
none always finds the caches as the same other left them. A ratio is the median over the rounds of the ratio within a
round. The clock is the processor's, which stands still while other processes run; where a rival is a process of its own
it is the wall's.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

SAMPLE = 2e-4
"""Seconds a sample lasts at least: what is shorter runs several times in a row."""

LEAST_ROUNDS, MOST_ROUNDS = 5, 2000


@dataclass(frozen=True)
class Times:
    """Seconds a run of each rival, one a round."""

    rounds: Mapping[str, tuple[float, ...]]

    def median(self, name: str) -> float:
        """Seconds a run."""
        return statistics.median(self.rounds[name])

    def ratio(self, name: str, beside: str) -> float:
        """How many times as long one rival takes as another."""
        return statistics.median(a / b for a, b in zip(self.rounds[name], self.rounds[beside], strict=True))


Clock: TypeAlias = Callable[[], float]


class Race(Protocol):
    """Runs rivals in turn."""

    def __call__(
        self, rivals: Mapping[str, Callable[[], Any]], seconds: float = 5.0, clock: Clock = time.process_time
    ) -> Times:
        """The times of every rival."""
        ...


def race(
    rivals: Mapping[str, Callable[[], Any]],
    seconds: float,
    clock: Clock,
    repeat: Callable[[Callable[[], None], int], Any],
) -> Times:
    """Run rivals in turn for about so many seconds.

    Args:
        rivals: functions without arguments, whose results are thrown away.
        seconds: how long to go on, after a round to warm up; at least five rounds are made.
        clock: what tells the time of a run.
        repeat: runs a round so many times.
    """
    repeats = {name: _repeats(run, clock) for name, run in rivals.items()}
    names = list(rivals)
    rounds: dict[str, list[float]] = {name: [] for name in names}
    draw = random.Random(0)

    def one_round() -> None:
        for name in draw.sample(names, len(names)):
            rounds[name].append(timed(rivals[name], clock, repeats[name]))

    count = min(max(round(seconds / timed(one_round, time.perf_counter)), LEAST_ROUNDS), MOST_ROUNDS)
    gc.collect()
    gc.disable()
    try:
        repeat(one_round, count)
    finally:
        gc.enable()
    return Times({name: tuple(taken) for name, taken in rounds.items()})


def timed(run: Callable[[], Any], clock: Clock, repeats: int = 1) -> float:
    """Seconds a run takes, over so many in a row."""
    start = clock()
    for _ in range(repeats):
        run()
    return (clock() - start) / repeats


def _repeats(run: Callable[[], Any], clock: Clock) -> int:
    """How often a rival has to run for its time to be told from the clock's own."""
    run()
    once = min(timed(run, clock) for _ in range(3))
    return max(1, round(SAMPLE / once)) if once > 0 else 1000
