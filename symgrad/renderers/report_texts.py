"""A report in Markdown and in LaTeX."""

from __future__ import annotations

from symgrad.core.memory import uncollected
from symgrad.renderers import render_document
from symgrad.renderers.descent import charts, step_table, told_training
from symgrad.renderers.diagrams import to_mermaid
from symgrad.renderers.document import Document
from symgrad.renderers.latex_chart import chart_latex
from symgrad.renderers.latex_drawing import DRAWING_PREAMBLE
from symgrad.renderers.latex_graph import graph_latex
from symgrad.renderers.latex_words import LETTERS_PREAMBLE, letters, words
from symgrad.renderers.report import Report
from symgrad.renderers.verdicts import narrate_verification

PREAMBLE = "\n".join(
    [
        r"\documentclass{article}",
        r"\ifdefined\Umathcode\else % XeTeX and LuaTeX begin with fonts for Unicode, pdfTeX does not",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[utf8]{inputenc}",
        r"\fi",
        r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}",
        r"\usepackage[margin=2cm]{geometry}",
        r"\usepackage{amsmath,color,graphicx}",
        *DRAWING_PREAMBLE,
        *LETTERS_PREAMBLE,
        r"\allowdisplaybreaks",
        r"\setlength{\parindent}{0pt}",
    ]
)


@uncollected
def markdown(report: Report) -> str:
    """The report in Markdown; the picture is Mermaid's, which GitHub draws."""

    def told(document: Document) -> str:
        return render_document(document, "markdown", report.names, report.known)

    definitions, _, key = report.parts()
    parts = [f"# {report.title}"]
    if definitions:
        parts += [told(definitions), f"```mermaid\n{to_mermaid(report.picture)}\n```"]
    for heading, document in _sections(report):
        parts += [f"## {heading}", told(document)]
    if report.solutions:
        parts.append(told(key))
    return "\n\n".join(parts)


@uncollected
def latex(report: Report) -> str:
    """The report as a whole LaTeX document; it needs amsmath and geometry."""

    def told(document: Document) -> str:
        return render_document(document, "latex", report.names, report.known)

    definitions, _, key = report.parts()
    parts = [rf"\section*{{{words(report.title)}}}"]
    if definitions:
        parts += [told(definitions), graph_latex(report.picture)]
    for heading, document in _sections(report):
        parts += [rf"\subsection*{{{words(heading)}}}", told(document)]
    if report.training is not None:
        parts += [f"\n\\medskip\n{chart_latex(chart)}" for chart in charts(report.derivation, report.training)]
    if report.solutions:
        parts += [r"\newpage"] * report.blanks + [told(key)]
    content = "\n".join(parts)
    return "\n".join([PREAMBLE, *letters(content), r"\begin{document}", content, r"\end{document}"])


def _sections(report: Report) -> list[tuple[str, Document]]:
    """What stands below the definitions, under its headings."""
    _, derivation, _ = report.parts()
    told = [("Derivation", derivation)] if derivation else []
    point: list[tuple[str, Document]] = [("At the point", (report.point_table(),))] if report.point else []
    if report.is_worksheet:
        return [*point, *told]
    found = [*told, *point]
    if report.verification is not None:
        found.append(("Verification", narrate_verification(report.verification)))
    if report.training is not None:
        steps = report.training.run.steps
        table = [step_table(report.derivation, steps)] if steps else []
        found.append(("Training", (*told_training(report.training), *table)))
    return found
