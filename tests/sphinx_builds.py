"""Small Sphinx projects, built in a folder of their own."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphinx.testing.util import SphinxTestApp

TITLE = "Page\n====\n\n"

SEED = """\
.. derivation::
   :wrt: w
   :at: x=3, y=6, w=1
   :verify:
   :graph:

   y_pred = x*w
   l = (y_pred - y)**2
"""

EVERYTHING = (
    TITLE
    + SEED.replace(":graph:", ":graph:\n   :label: seed\n   :caption: The *lecture's* loss")
    + """
In a line: :derivative:`dl/dw of (x*w - y)**2`. See :ref:`seed`, :numref:`seed`, :ref:`network`, :ref:`here <network>`.

.. derivation::
   :wrt: W1 b1
   :verify: table
   :label: network
   :highlight: W1
   :name: W1=\\mathbf{W}_{1}
          θ=\\vartheta_{a,b}
   :class: wide

   W1: (3, 2)
   b1: (3,)
   θ: (3,)
   x: (2,)
   a = tanh(W1 @ x + b1)
   L = sum(θ*a**2)

.. derivation::
   :wrt: w
   :detail: chain
   :notation: total
   :output: l

   h = tanh(w*x); fit = (h - y)**2; pen = c*h**2; l = fit + pen

.. derivation::
   :at: x=3, y=6, w=1
   :blanks:
   :solutions:
   :graph:

   l = relu(x*w - y)**2
"""
)


CELL = (
    TITLE
    + """\
.. list-table::

   * - .. derivation::
          :wrt: w
          :at: x=3, y=6, w=1
          :caption: In a cell
          :verify: table
          :graph:

          u = x*w
          l = (u - y)**2

     - beside it
"""
)


@dataclass(frozen=True)
class Built:
    """What a build left: its folder, what it warned of, and which documents it read."""

    folder: Path
    warnings: str
    read: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether `-W` would have it fail."""
        return bool(self.warnings)

    def page(self, name: str) -> str:
        """One file."""
        return (self.folder / name).read_text(encoding="utf-8")


def write(folder: Path, pages: Mapping[str, str]) -> Path:
    """A project of these pages, with MyST if one of them needs it."""
    conf = 'extensions = ["symgrad.sphinxext"]\n'
    if any(name.endswith(".md") for name in pages):
        conf = 'extensions = ["symgrad.sphinxext", "myst_parser"]\n'
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "conf.py").exists():
        (folder / "conf.py").write_text(conf, encoding="utf-8")
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@contextmanager
def application(folder: Path, builder: str, fresh: bool, **options: Any) -> Iterator[SphinxTestApp]:
    """Sphinx in this process, which leaves nothing of itself behind."""
    options = {"nitpicky": True, "show_warning_types": True, **options}
    app = SphinxTestApp(builder, folder, freshenv=fresh, confoverrides=options)
    try:
        yield app
    finally:
        app.cleanup()


def build(folder: Path, builder: str = "text", *, fresh: bool = False, **options: Any) -> Built:
    """Build a project with `-n`; a warning would fail it with `-W`. A colour in a message is left out."""
    read: list[str] = []
    with application(folder, builder, fresh, **options) as app:
        app.connect("source-read", lambda app, docname, source: read.append(docname))
        app.build()
        warnings = re.sub(r"\x1b\[[\d;]*m", "", app.warning.getvalue())
        return Built(Path(app.outdir), warnings, tuple(read))


def command(folder: Path, builder: str, *options: str) -> subprocess.CompletedProcess[str]:
    """The same by the command line, in a process of its own."""
    arguments = ["-q", "-n", "-W", "-b", builder, *options, str(folder), str(folder / "_out" / builder)]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *arguments], capture_output=True, text=True, check=False, timeout=300
    )


def blocks(page: str) -> list[str]:
    """The derivations of a page, as they stand in it."""
    found, opening = [], re.compile(r'<(div|figure) class="(?:\w+ )?symgrad derivation[^>]*>')
    for match in opening.finditer(page):
        depth = 0
        for tag in re.compile(rf"<(/?){match[1]}\b[^>]*>").finditer(page, match.start()):
            depth += -1 if tag[1] else 1
            if not depth:
                found.append(page[match.start() : tag.end()])
                break
    return found


def words_of(block: str) -> str:
    """All the text in it, that for whoever cannot see it included."""
    root = ET.fromstring(block)
    return " ".join([*root.itertext(), *(part.get("alttext", "") for part in root.iter())])
