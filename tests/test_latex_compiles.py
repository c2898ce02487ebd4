"""What the LaTeX renderer prints is LaTeX."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cases import CASES
from tensor_models import BY_NAME, derived

import symgrad as sg

HEAD = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{amsmath}\begin{document}"


def errors_of(body: str, folder: Path) -> list[str]:
    """The error lines of a LaTeX run over `body`."""
    (folder / "page.tex").write_text(HEAD + "\n" + body + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "page.tex"]
    result = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
    log = result.stdout.decode("latin-1")
    return [line for line in log.splitlines() if line.startswith("!")]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
def test_every_case_compiles(tmp_path: Path) -> None:
    """Derivations and verifications of all cases, and all models on tensors, compile with amsmath and no error."""
    pages = []
    for case in CASES:
        derivation = case.derive()
        pages.append(sg.render(derivation, "latex", evaluation=sg.compile(derivation)(case.at)))
        pages.append(sg.render(sg.verify(derivation, case.at), "latex"))
    pages += [sg.render(derived(name), "latex") for name in BY_NAME]
    assert errors_of("\n\n".join(pages), tmp_path) == []
    assert errors_of(r"\text{leaky_relu}", tmp_path) != [], "the probe does see an error"
