"""`python -m tests.benchmarks` measures everything and writes the results and the page; arguments go to pytest.

What takes many minutes and measures no speed, `test_detection.py`, runs on its own.
`python -m tests.benchmarks --page` only writes the page again, from the results that were kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from . import page, results


def main(arguments: list[str]) -> int:
    """0 if every floor is met."""
    if arguments == ["--page"]:
        page.write(results.read())
        return 0
    folder = Path(__file__).parent
    slow = f"--ignore={folder / 'test_detection.py'}"
    return pytest.main(
        [str(folder), slow, "-q", "-s", "--show-capture=no", "--benchmark-quiet", "--update-docs", *arguments]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
