"""A report in Markdown and in LaTeX."""

from __future__ import annotations

from symgrad.core.memory import uncollected
from symgrad.renderers import render_document
from symgrad.renderers.descent import step_table, told_training
from symgrad.renderers.document import Document
from symgrad.renderers.graph import draw
from symgrad.renderers.latex import plain_text
from symgrad.renderers.latex_formula import latex_name
from symgrad.renderers.report import Report
from symgrad.renderers.verdicts import narrate_verification

_GREEK = "αβγδεϵζηθϑικλμνξρςστυφϕχψωΓΔΘΛΞΠΣΦΨΩ"

PREAMBLE = "\n".join(
    [
        r"\documentclass{article}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage[margin=2cm]{geometry}",
        r"\usepackage{amsmath}",
        *(rf"\DeclareUnicodeCharacter{{{ord(c):04X}}}{{\ensuremath{{{latex_name(c)}}}}}" for c in _GREEK),
        r"\DeclareUnicodeCharacter{2026}{\ldots}",
        r"\allowdisplaybreaks",
        r"\setlength{\parindent}{0pt}",
        r"\begin{document}",
    ]
)


@uncollected
def markdown(report: Report) -> str:
    """The report in Markdown; the picture is Mermaid's, which GitHub draws."""

    def told(document: Document) -> str:
        return render_document(document, "markdown", known=report.names)

    definitions, derivation = report.parts()
    parts = [f"# {report.title}", told(definitions)]
    parts.append(f"```mermaid\n{draw(report.derivation, 'mermaid', report.evaluation)}\n```")
    parts += ["## Derivation", told(derivation)]
    for heading, document in _rest(report):
        parts += [f"## {heading}", told(document)]
    return "\n\n".join(parts)


@uncollected
def latex(report: Report) -> str:
    """The report as a whole LaTeX document; it needs amsmath and geometry."""

    def told(document: Document) -> str:
        return render_document(document, "latex", known=report.names)

    definitions, derivation = report.parts()
    parts = [PREAMBLE, rf"\section*{{{plain_text(report.title)}}}", told(definitions), r"\subsection*{Derivation}"]
    parts.append(told(derivation))
    for heading, document in _rest(report):
        parts += [rf"\subsection*{{{plain_text(heading)}}}", told(document)]
    return "\n".join([*parts, r"\end{document}"])


def _rest(report: Report) -> list[tuple[str, Document]]:
    """What stands below the derivation, under its headings."""
    found: list[tuple[str, Document]] = []
    if report.point is not None:
        found.append(("At the point", (report.point_table(),)))
    if report.verification is not None:
        found.append(("Verification", narrate_verification(report.verification)))
    if report.training is not None:
        steps = report.training.run.steps
        table = [step_table(report.derivation, steps)] if steps else []
        found.append(("Training", (*told_training(report.training), *table)))
    return found
