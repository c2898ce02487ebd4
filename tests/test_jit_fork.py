"""A process that forks while one of its threads compiles: the child compiles too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llvmlite", reason="the extra jit is not installed")

FORKING = """
import os, signal, threading, time
from symgrad.backends.jit import engine

def text(name):
    return f"define double @{name}(double %x) {{\\n  %y = fadd double %x, %x\\n  ret double %y\\n}}\\n"

right, compiling = engine.compiled, threading.Event()

def slowly(*arguments):
    compiling.set()
    time.sleep(0.3)
    return right(*arguments)

engine.compiled = slowly
thread = threading.Thread(target=engine.load, args=(text("f"), ("f",)))
thread.start()
compiling.wait()
if (child := os.fork()) == 0:
    signal.alarm(20)  # ends a child that waits for ever
    engine.compiled = right
    module = engine.load(text("g"), ("g",))
    os._exit(0 if module.address("g") and not module.from_disk else 1)
thread.join()
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), engine.load(text("h"), ("h",)).from_disk)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forking is POSIX's")
def test_a_fork_while_a_thread_compiles(tmp_path: Path) -> None:
    """Neither the child nor the parent waits for a lock that a thread held at that moment."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        env={**os.environ, "SYMGRAD_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.split() == ["0", "False"]
