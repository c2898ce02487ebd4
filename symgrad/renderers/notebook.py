"""What a notebook may show of a result: plain text, LaTeX, and HTML with the picture of the graph."""

from __future__ import annotations

from symgrad.core.answer import Answer
from symgrad.core.derivation import Derivation
from symgrad.core.graph import Graph
from symgrad.core.results import Run, Verification
from symgrad.renderers import document_of, page, render
from symgrad.renderers.answers import render_answer
from symgrad.renderers.graph import draw
from symgrad.renderers.html import HtmlRenderer
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
        content += f'\n<figure class="scroll">\n{draw(result)}\n</figure>'
    return page.fragment(content)
