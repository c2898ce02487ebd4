"""LaTeX to PDF, by an installed LaTeX."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from symgrad.errors import RenderError

LATEX_SECONDS = 120


class _NoLatexError(RenderError):
    exit_code = 3


def latex_program() -> str:
    """Where pdflatex is.

    Raises:
        RenderError: if there is none.
    """
    found = shutil.which("pdflatex")
    if found is None:
        raise _NoLatexError(
            "a PDF needs pdflatex, and there is none. Install a LaTeX (Debian: texlive-latex-recommended), or write "
            "r.tex or r.html; a browser prints r.html to PDF."
        )
    return found


def typeset(document: str) -> bytes:
    """A LaTeX document as a PDF.

    Raises:
        RenderError: if LaTeX stops.
    """
    options = ["-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "openin_any": "p"}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "report.tex"
        source.write_text(document, encoding="utf-8")
        command = [latex_program(), *options, source.name]
        try:
            done = subprocess.run(  # noqa: S603  a found program, a file of our own
                command, cwd=folder, env=environment, capture_output=True, check=False, timeout=LATEX_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise _NoLatexError(f"pdflatex did not end within {LATEX_SECONDS} seconds; write r.tex instead.") from None
        made = source.with_suffix(".pdf")
        if done.returncode or not made.exists():
            said = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.startswith("!")]
            raise _NoLatexError(f"pdflatex stopped: {' '.join(said[:1]) or 'it does not say why.'} Write r.tex to see.")
        return made.read_bytes()
