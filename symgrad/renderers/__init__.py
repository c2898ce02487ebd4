"""Renderers print what symgrad knows; they decide nothing about it."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping

from symgrad.core.answer import Answer
from symgrad.core.derivation import Derivation
from symgrad.core.graph import Graph
from symgrad.core.memory import uncollected
from symgrad.core.names import suggestion
from symgrad.core.results import Evaluation, Run, Verification
from symgrad.errors import GraphError, RenderError
from symgrad.renderers.document import Document
from symgrad.renderers.options import DETAILS, NOTATIONS, STYLES, Detail, Notation, Style
from symgrad.renderers.titles import names_in, title_of

__all__ = ["FORMATS", "document_of", "render", "render_document"]

Subject = Graph | Derivation | Verification | Run
Printable = Subject | Answer
"""What can be printed."""

_RENDERERS = {
    "text": "symgrad.renderers.text:TextRenderer",
    "unicode": "symgrad.renderers.text:UnicodeRenderer",
    "latex": "symgrad.renderers.latex:LatexRenderer",
    "markdown": "symgrad.renderers.markdown:MarkdownRenderer",
    "html": "symgrad.renderers.html:HtmlRenderer",
}
"""Where the class of each format is; only the one that is asked for is loaded, and so with what is narrated below."""

FORMATS = (*_RENDERERS, "json")
"""The formats `render` knows."""


@uncollected
def render(
    subject: Printable,
    format: str = "text",
    *,
    evaluation: Evaluation | None = None,
    detail: Detail = "steps",
    notation: Notation = "auto",
    names: Mapping[str, str] | None = None,
    tensors: Style = "auto",
    blanks: bool = False,
    solutions: bool = False,
) -> str:
    r"""Print a derivation, a verification, a training run, a judged answer or the definitions of a graph.

    Args:
        subject: what to print.
        format: `text` (every right-hand side reads back), `unicode`, `latex`, `markdown` (with LaTeX mathematics),
            `html` (a whole page with MathML) or `json` (lossless).
        evaluation: its numbers at a point, from `compile(derivation)(point)`, to stand beside every line.
        detail: `answer`, `chain` or `steps`.
        notation: `auto`, `partial` (∂ throughout) or `total` (d for totals, ∂ for local partials).
        names: how to print a name, in LaTeX: `{"y_pred": r"\hat{y}"}`. Text and JSON keep the names that read back.
        tensors: `auto` (matrix notation where it is usual) or `index` (index notation throughout).
        blanks: a worksheet: numbered blanks in place of right-hand sides and values.
        solutions: the key to the worksheet; with `blanks` too, the sheet and then the key.

    Returns:
        The text, without a newline at its end; the same bytes on every run.

    Raises:
        RenderError: if an option is unknown, the notation would give one name two meanings, or a worksheet is asked
            for in JSON or of anything but a derivation.
    """
    if not isinstance(subject, Printable):
        raise RenderError(f"render prints what read, derive, verify, check and train return; this is {_kind(subject)}.")
    for option, value, known in (
        ("format", format, FORMATS),
        ("detail", detail, DETAILS),
        ("notation", notation, NOTATIONS),
        ("notation for tensors", tensors, STYLES),
    ):
        if value not in known:
            hint = suggestion(str(value), known) or f" It is one of {', '.join(known)}."
            raise RenderError(f"unknown {option} {value!r}.{hint}")
    if blanks or solutions:
        _refuse_no_worksheet(subject, format)
    if isinstance(subject, Answer):
        from symgrad.renderers.answers import render_answer

        return render_answer(subject, format)
    every = names_in(subject)
    for name in names or {}:
        if name not in every:
            raise GraphError(f"there is no node {name!r}.{suggestion(name, every)}")
    if format == "json":
        return _json(subject, evaluation)
    document = document_of(subject, evaluation, detail, notation, tensors, blanks=blanks, solutions=solutions)
    if format == "html":
        from symgrad.renderers.html import HtmlRenderer

        return HtmlRenderer(names, every, title_of(subject)).render(document)
    return render_document(document, format, names, every)


def document_of(
    subject: Subject,
    evaluation: Evaluation | None = None,
    detail: Detail = "steps",
    notation: Notation = "auto",
    tensors: Style = "auto",
    *,
    blanks: bool = False,
    solutions: bool = False,
) -> Document:
    """What is said about a subject, in whatever format; the arguments are those of `render`."""
    told = _told(subject, evaluation, detail, notation, tensors)
    if not (blanks or solutions):
        return told
    from symgrad.renderers.worksheet import with_problem, worksheet

    if blanks and isinstance(subject, Derivation):
        told = with_problem(told, _told(subject.primal, None, detail, notation, tensors), subject, evaluation)
    return worksheet(told, blanks=blanks, solutions=solutions)


def _told(
    subject: Subject, evaluation: Evaluation | None, detail: Detail, notation: Notation, tensors: Style
) -> Document:
    match subject:
        case Derivation() if subject.primal.has_tensors:
            from symgrad.renderers.narrate_tensors import narrate_tensors

            return narrate_tensors(subject, evaluation, detail, notation, tensors)
        case Derivation():
            from symgrad.renderers.narrate import narrate

            return narrate(subject, evaluation, detail, notation)
        case Verification():
            from symgrad.renderers.function_verdicts import is_of_function, narrate_function
            from symgrad.renderers.verdicts import narrate_verification

            return narrate_function(subject) if is_of_function(subject) else narrate_verification(subject)
        case Run():
            from symgrad.renderers.runs import narrate_run

            return narrate_run(subject)
        case Graph():
            from symgrad.renderers.runs import narrate_graph

            return narrate_graph(subject)


def _refuse_no_worksheet(subject: Printable, format: str) -> None:
    """Raises RenderError where there is nothing to make a worksheet of, or no one to fill it in."""
    if not isinstance(subject, Derivation):
        raise RenderError(f"a worksheet is made from a derivation; this is {_kind(subject)}.")
    if format == "json":
        known = ", ".join(_RENDERERS)
        raise RenderError(
            f"JSON has no worksheets: it holds the derivation as data. Print the sheet as one of {known}."
        )


def _kind(subject: object) -> str:
    return f"a {type(subject).__name__}"


def _json(subject: Subject, evaluation: Evaluation | None) -> str:
    match subject:
        case Derivation():
            from symgrad.renderers.json import to_json

            return to_json(subject, evaluation)
        case Verification():
            from symgrad.renderers.verdicts import verification_to_json

            return verification_to_json(subject)
        case Run():
            from symgrad.renderers.runs import run_to_json

            return run_to_json(subject)
        case Graph():
            from symgrad.calculus import derive
            from symgrad.renderers.json import to_json

            return to_json(derive(subject), evaluation)


def render_document(
    document: Document, format: str, names: Mapping[str, str] | None = None, known: Collection[str] = ()
) -> str:
    """Print a document that is narrated already, in any format but JSON; `known` are the names of all nodes."""
    module, _, name = _RENDERERS[format].partition(":")
    rendered: str = getattr(importlib.import_module(module), name)(names, known).render(document)
    return rendered
