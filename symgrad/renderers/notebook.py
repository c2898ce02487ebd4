"""What a notebook may show of a result: plain text, LaTeX, and HTML with the picture of the graph or the curves."""

from __future__ import annotations

from symgrad.core.answer import Answer
from symgrad.core.derivation import Derivation
from symgrad.core.graph import Graph
from symgrad.core.results import Run, Verification
from symgrad.renderers import document_of, page, render
from symgrad.renderers.answers import render_answer
from symgrad.renderers.chart import CHART_STYLE, Chart, Series, line_chart
from symgrad.renderers.descent import parameter_series
from symgrad.renderers.graph import draw
from symgrad.renderers.html import HtmlRenderer
from symgrad.renderers.report import legible
from symgrad.renderers.titles import names_in


def bundle(result: Graph | Derivation | Verification | Run | Answer) -> dict[str, str]:
    """The result by MIME type."""
    if isinstance(result, Answer):
        return {"text/plain": render_answer(result, "unicode")}
    texts = {"text/plain": render(result, "unicode"), "text/html": _html(result)}
    if isinstance(result, (Graph, Derivation)):  # notebooks set LaTeX mathematics, but no tables
        texts["text/latex"] = render(result, "latex")
    return texts


def _html(result: Graph | Derivation | Verification | Run) -> str:
    content = HtmlRenderer(known=names_in(result)).content(document_of(result))
    if isinstance(result, (Graph, Derivation)):
        content += f'\n<figure class="scroll">\n{legible(draw(result))}\n</figure>'
    elif isinstance(result, Run) and result.steps:
        content += _curves(result)
    return page.fragment(content)


def _curves(run: Run) -> str:
    """The loss of each step, and the way of what is trained."""
    losses = Series("each step", tuple((float(i), step.loss) for i, step in enumerate(run.steps, 1)))
    found = parameter_series(run.trajectory)
    label = found[0].name if len(found) == 1 else "value"
    charts = (
        Chart("Training curve", "step", "loss", [losses], may_be_logarithmic=True),
        Chart("The way of what is trained", "step", label, found),
    )
    figures = "\n".join(f'<figure class="scroll">\n{line_chart(chart)}\n</figure>' for chart in charts)
    return f"\n<style>\n{CHART_STYLE}{page.FIGURE_STYLE}</style>\n{figures}"
