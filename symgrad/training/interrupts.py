"""Ctrl-C during a run: the step under way, or the stretch of steps, is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Stop:
    """Whether someone asked the run to stop."""

    requested: bool = False


@contextmanager
def interrupts() -> Iterator[Stop]:
    """Let the step under way finish on SIGINT; a second SIGINT stops at once.

    A process that ignores SIGINT, as one started in the background does, goes on ignoring it.
    """
    stop, before = Stop(), signal.getsignal(signal.SIGINT)
    is_python = before is not None and before != signal.SIG_IGN
    if threading.current_thread() is not threading.main_thread() or not is_python:
        yield stop
        return

    def remember(*_: object) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    signal.signal(signal.SIGINT, remember)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
