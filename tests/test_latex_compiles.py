"""What the LaTeX renderer prints is LaTeX."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cases import CASES
from tensor_models import BY_NAME, derived, point_of

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
    """All cases with verifications, and all models on tensors, with and without numbers, compile with amsmath."""
    pages = []
    for case in CASES:
        derivation = case.derive()
        pages.append(sg.render(derivation, "latex", evaluation=sg.compile(derivation)(case.at)))
        pages.append(sg.render(sg.verify(derivation, case.at), "latex"))
    for name, model in BY_NAME.items():
        derivation = derived(name)
        point = point_of(model, derivation.primal, sizes=dict.fromkeys(derivation.primal.sizes, 2))
        pages.append(sg.render(derivation, "latex"))
        pages.append(sg.render(derivation, "latex", evaluation=sg.compile(derivation)(point)))
    assert errors_of("\n\n".join(pages), tmp_path) == []
    assert errors_of(r"\text{leaky_relu}", tmp_path) != [], "the probe does see an error"
