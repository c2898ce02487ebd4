"""What is printed in LaTeX is LaTeX, with every engine: derivations, reports, worksheets and pictures."""

from __future__ import annotations

import re
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from cases import CASES
from tensor_models import BY_NAME, derived, point_of

import symgrad as sg
from symgrad.core.derivation import Derivation
from symgrad.renderers.graph import picture
from symgrad.renderers.latex_graph import graph_latex
from symgrad.renderers.report import Report
from symgrad.renderers.report_texts import latex
from symgrad.renderers.svg_style import LIGHT

PACKAGES = {
    "pdflatex": "texlive-latex-recommended",
    "xelatex": "texlive-xetex",
    "lualatex": "texlive-luatex",
}
"""The Debian package of each engine."""

DRAFT = {"pdflatex": ("-draftmode",), "lualatex": ("--draftmode",), "xelatex": ("-no-pdf",)}

ENGINES = [
    pytest.param(
        engine,
        marks=pytest.mark.skipif(shutil.which(engine) is None, reason=f"needs {engine} (Debian: {package})"),
    )
    for engine, package in PACKAGES.items()
]

HEAD = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{amsmath}\begin{document}"

LETTERS = "σ = β*x_β + é*ž_ß + ñ1*æ_ø; l = (σ - ŷ)**2/leaky_relu(σ) + abs(façade_pred)"
POINT = {"β": 1.0, "x_β": 2.0, "é": 3.0, "ž_ß": 4.0, "ñ1": 0.5, "æ_ø": -1.0, "ŷ": 5.0, "façade_pred": -0.5}
GIVEN = {"β": "λ", "é": "权重", "ŷ": r"\hat{ŷ}_{\text{Schätzung}}", "ñ1": "ж"}
"""Names as somebody may give them for printing."""


def log_of(page: str, folder: Path, engine: str = "pdflatex", *, draft: bool = True) -> list[str]:
    """What a LaTeX run says is wrong: errors, letters that no font has, drawings wider than the line."""
    (folder / "page.tex").write_text(page, encoding="utf-8")
    options = ["-interaction=nonstopmode", "-no-shell-escape", *DRAFT.get(engine, ()) * draft]
    subprocess.run([engine, *options, "page.tex"], cwd=folder, capture_output=True, check=False, timeout=120)
    log = (folder / "page.log").read_text(encoding="utf-8", errors="replace")
    return [line for line in log.splitlines() if line.startswith(("!", "Missing character"))]


def errors_of(body: str, folder: Path) -> list[str]:
    """What is wrong with a body of a paper."""
    return log_of(HEAD + "\n" + body + r"\end{document}", folder)


def drawn_with(file: Path, colour: str) -> bool:
    """Whether a line of this colour is drawn on a page of a PDF."""
    numbers = " ".join(f"{int(colour[i : i + 2], 16) / 255:.3f}" for i in (1, 3, 5))
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", file.read_bytes(), re.DOTALL):
        try:
            if f"{numbers} RG".encode() in zlib.decompressobj().decompress(stream):
                return True
        except zlib.error:
            continue
    return False


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
def test_every_case_compiles(tmp_path: Path) -> None:
    """All cases with verifications, all models on tensors, and letters of every kind compile with amsmath alone."""
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
    lettered = sg.derive(sg.read(LETTERS))
    pages.append(sg.render(lettered, "latex", evaluation=sg.compile(lettered)(POINT)))
    pages.append(sg.render(lettered, "latex", blanks=True, solutions=True))
    pages.append(sg.render(sg.verify(lettered, POINT), "latex"))
    assert errors_of("\n\n".join(pages), tmp_path) == []
    assert errors_of(r"\text{leaky_relu}", tmp_path) != [], "the probe does see an error"


@pytest.mark.skipif(
    not (shutil.which("pdflatex") and shutil.which("pandoc")),
    reason="needs pandoc and pdflatex (Debian: pandoc, texlive-latex-recommended)",
)
def test_markdown_compiles_through_pandoc(tmp_path: Path) -> None:
    """What is printed in Markdown, pandoc turns into LaTeX that compiles."""
    lettered = sg.derive(sg.read(LETTERS))
    pages = [sg.render(case.derive(), "markdown") for case in CASES]
    pages += [sg.render(derived(name), "markdown") for name in BY_NAME]
    pages.append(sg.render(lettered, "markdown", evaluation=sg.compile(lettered)(POINT)))
    pages.append(sg.render(sg.verify(lettered, POINT), "markdown"))
    for content, sound in (("\n\n".join(pages), True), ("σ", False)):
        made = subprocess.run(
            ["pandoc", "-f", "markdown", "-s", "-t", "latex"], input=content.encode(), capture_output=True, check=True
        )
        assert (log_of(made.stdout.decode("utf-8"), tmp_path) == []) is sound


def reports() -> list[str]:
    """Reports and worksheets: letters of every kind, names as given, tensors, a key."""
    lettered = sg.derive(sg.read(LETTERS))
    made = [_report(lettered, point=POINT), _report(lettered, point=POINT, blanks=True, solutions=True)]
    made.append(_report(lettered, names=GIVEN))
    made.append(_report(derived("attention")))
    return [latex(report) for report in made]


def _report(derivation: Derivation, point: dict[str, float] | None = None, **options: object) -> Report:
    evaluation = sg.compile(derivation)(point) if point else None
    verification = sg.verify(derivation, point) if point else None
    return Report(derivation, point, evaluation, verification, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ENGINES)
def test_reports_compile(engine: str, tmp_path: Path) -> None:
    """Reports and worksheets, bound into one document, have no error and lack no letter."""
    heads, bodies = zip(*(report.split(r"\begin{document}") for report in reports()), strict=True)
    lines = dict.fromkeys(line for head in heads for line in head.splitlines() if line.startswith(r"\symgradletter{"))
    head = "\n".join(line for line in heads[0].splitlines() if line not in lines)
    bound = [body.removesuffix(r"\end{document}") for body in bodies]
    page = [r"\begin{document}", "\n\\newpage\n".join(bound), r"\end{document}"]
    assert len(lines) > 5
    assert log_of("\n".join([head, *lines, *page]), tmp_path, engine) == []
    assert log_of("\n".join([head, *page]), tmp_path, engine) != [], "the probe does see a letter that no font has"


def test_sphinx_describes_a_picture_that_no_page_has_room_for(tmp_path: Path) -> None:
    """Where the picture is too large, its description stands, and its letters are LaTeX's."""
    pytest.importorskip("sphinx", reason="needs Sphinx (pip install symgrad[sphinx])")
    from sphinx_builds import TITLE, build, write

    chain = "; ".join(["h1 = tanh(α)", *(f"h{i} = tanh(h{i - 1})" for i in range(2, 30)), "l = h29"])
    directive = "{}.. derivation::\n   :detail: answer\n   :graph:\n\n   {}\n\n"
    page = directive.format(TITLE, chain) + directive.format("", "l = α**2")
    (source,) = build(write(tmp_path, {"index.rst": page}), "latex").folder.glob("*.tex")
    first, second = source.read_text(encoding="utf-8").split(r"\symgradpicture{")[1:]
    assert first.startswith("%\nComputational graph of l: ")
    assert r"h1 = tanh($\alpha$)" in first
    assert r"\symgraddrawing" not in first
    assert second.startswith("%\n\\symgraddrawing{")


STYLED = r"""\documentclass{article}
\ifdefined\Umathcode\else\usepackage[T1]{fontenc}\fi
\usepackage{symgrad}
\begin{document}
CONTENT
\end{document}
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_pictures_are_drawn(engine: str, tmp_path: Path) -> None:
    """Every engine draws the lines of a picture; one that the line or the page is too small for is scaled."""
    pytest.importorskip("sphinx", reason="needs Sphinx (pip install symgrad[sphinx])")
    from symgrad.sphinxext.latex_style import STYLE

    (tmp_path / "symgrad.sty").write_text(STYLE, encoding="utf-8")
    derivation = sg.derive(sg.read(LETTERS), ["β"])
    narrow = graph_latex(picture(derivation, sg.compile(derivation)(POINT), "β", {"é": r"\vec{v}"}))
    wide = graph_latex(picture(sg.derive(derived("mlp_one_sample").primal)))
    tall = graph_latex(picture(sg.read("l = " + " + ".join(f"x{i}" for i in range(40)))))
    column = rf"\begin{{minipage}}{{5cm}}{narrow}\end{{minipage}}"
    shown = "\n".join(rf"\symgradpicture{{{drawn}}}" for drawn in (narrow, wide, tall, column))
    assert log_of(STYLED.replace("CONTENT", shown), tmp_path, engine, draft=False) == []
    log = (tmp_path / "page.log").read_text(encoding="utf-8", errors="replace")
    assert "Overfull" not in log
    assert drawn_with(tmp_path / "page.pdf", LIGHT["highlight"])
    assert not drawn_with(tmp_path / "page.pdf", "#123456"), "the probe does see what is missing"
