"""From a request to what is printed: read, derive, evaluate, verify, print in every format."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from symgrad.core.derivation import Derivation
from symgrad.core.graph import Graph
from symgrad.core.results import Evaluation, Verdict, Verification
from symgrad.errors import BackendError, SymgradWarning
from symgrad.readers import read
from symgrad.readers.values import values
from symgrad.renderers import document_of
from symgrad.renderers.document import (
    AdjointRow,
    Adjoints,
    Blank,
    Document,
    Equations,
    Inline,
    Product,
    Quantity,
    Remark,
    Row,
    Sum,
)
from symgrad.renderers.graph import picture
from symgrad.renderers.html import HtmlRenderer
from symgrad.renderers.latex import LatexRenderer
from symgrad.renderers.latex_graph import graph_latex
from symgrad.renderers.mathml_pieces import EQUALS
from symgrad.renderers.picture import Picture
from symgrad.renderers.svg import to_svg
from symgrad.renderers.svg_style import STYLE
from symgrad.renderers.text import UnicodeRenderer
from symgrad.renderers.titles import names_in, title_of
from symgrad.renderers.worksheet import without_partials
from symgrad.sphinxext.mathjax import MathjaxRenderer
from symgrad.sphinxext.request import Mistake, Printed, Request, blaming, latex_names


def derived(request: Request) -> tuple[Derivation, tuple[tuple[str, str], ...]]:
    """The derivation, and what the reader warns of.

    Raises:
        Mistake: if the definitions or `wrt` are wrong.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SymgradWarning)
        with blaming("content", request.source):
            graph = read(request.source, output=request.output or None)
        if request.detail == "elementary":
            graph = _split(graph)
        from symgrad.calculus import derive

        with blaming("wrt" if request.wrt else "content"):
            derivation = derive(graph, list(request.wrt) or None)
    told = tuple(("read", str(w.message)) for w in caught if issubclass(w.category, SymgradWarning))
    return derivation, told


def _split(graph: Graph) -> Graph:
    from symgrad.calculus.elementary import elementary

    with blaming("detail"):
        return elementary(graph)


def printed(request: Request) -> Printed:
    """Everything that a directive shows.

    Raises:
        Mistake: if anything is wrong; it knows where.
    """
    derivation, told = derived(request)
    with blaming("name"):
        names = latex_names(request.names)
        for name in names:
            derivation.primal[name]
    evaluation, point = _evaluated(derivation, request)
    with blaming("notation"):
        detail: Any = "steps" if request.detail == "elementary" else request.detail
        notation: Any = request.notation
        document = document_of(
            derivation,
            evaluation,
            detail,
            notation,
            "index" if request.indices else "auto",
            blanks=request.blanks,
            solutions=request.solutions,
        )
    shown = in_formats(document, names, derivation)
    if request.verify:
        verdict, failures = _verified(derivation, point, request)
        shown, told = _joined(shown, verdict, names, derivation), (*told, *failures)
    if request.graph:
        with blaming("highlight" if request.highlight else "graph"):
            drawn = picture(derivation, None if request.blanks else evaluation, request.highlight or None, names)
        shown = _with_picture(shown, without_partials(drawn) if request.blanks else drawn)
    return replace(shown, warnings=told)


def _evaluated(derivation: Derivation, request: Request) -> tuple[Evaluation | None, Mapping[str, Any] | None]:
    """The numbers at the point, and the point; None where there is none."""
    if not request.at:
        return None, None
    from symgrad.backends import compile

    with blaming("at"):
        point = values(request.at.splitlines(), ":at:")
        return compile(derivation)(point), point


# formats


def in_formats(document: Document, names: Mapping[str, str], derivation: Derivation) -> Printed:
    """A document in each format that a page may want."""
    known = names_in(derivation)
    return Printed(
        _placed(HtmlRenderer(names, known).content(document)),
        tuple(MathjaxRenderer(names, known).pieces(document)),
        LatexRenderer(names, known).render(document),
        UnicodeRenderer(names, known).render(document),
        title_of(derivation),
    )


def _placed(html: str) -> str:
    """Printed HTML within somebody else's page, whose outline has no place for its headings."""
    for mine, theirs in (("section", "div"), ("h2", "p"), ("h3", "p")):
        kind = ' class="heading"' if theirs == "p" else ""
        html = html.replace(f"<{mine}>", f"<{theirs}{kind}>").replace(f"</{mine}>", f"</{theirs}>")
    return html


def _joined(shown: Printed, verdict: _Verdict, names: Mapping[str, str], derivation: Derivation) -> Printed:
    """The derivation, and the verdict below it."""
    html, pieces, latex, text = [shown.html], [*shown.pieces], [shown.latex], [shown.text]
    for kind, document in (("table", verdict.table), (verdict.kind, verdict.line)):
        if not document:
            continue
        below = in_formats(document, names, derivation)
        html.append(f'<div class="verdict {kind}">\n{below.html}\n</div>')
        pieces += [("html", f'<div class="verdict {kind}">\n'), *below.pieces, ("html", "</div>\n")]
        latex.append(below.latex)
        text.append(below.text)
    return replace(
        shown,
        html="\n".join(html),
        pieces=tuple(pieces),
        latex="\n\n".join(latex),
        text="\n\n".join(part for part in text if part),
    )


def _with_picture(shown: Printed, drawn: Picture) -> Printed:
    return replace(
        shown,
        picture=to_svg(drawn).replace(f"<style>{STYLE}</style>\n", ""),  # it stands in the style sheet, once
        drawing=graph_latex(drawn),
        described=f"{drawn.title}: {drawn.description}",
    )


# verification


@dataclass(frozen=True)
class _Verdict:
    """The numbers, if they are to be seen, and one line.

    Args:
        kind: `passed` or `failed`.
        table: the numbers, and what is wrong in words; empty where neither is asked for.
        line: how many agree.
    """

    kind: str
    table: Document
    line: Document


def _verified(
    derivation: Derivation, point: Mapping[str, Any] | None, request: Request
) -> tuple[_Verdict, tuple[tuple[str, str], ...]]:
    """The verdict, as much of it as is asked for, and a warning where it is no."""
    from symgrad.checks import verify
    from symgrad.renderers.verdicts import narrate_verification

    with blaming("verify"):
        try:
            verification = verify(derivation, point)
        except ImportError as error:
            raise BackendError(f"a verification needs torch, which does not load: {error}.") from None
    *blocks, last = narrate_verification(verification)
    assert isinstance(last, Remark)
    where = "" if point else f" at {len(verification.points)} random points"
    word = f"{'Verified' if verification.passed else 'Not verified'}{where}: "
    line = Remark((word, *last.parts, "."))
    in_full = not verification.passed or (request.verify == "table" and not request.blanks)
    kind = "passed" if verification.passed else "failed"
    return _Verdict(kind, tuple(blocks) if in_full else (), (line,)), _failures(verification, blocks, last)


def _failures(verification: Verification, blocks: list[Any], last: Remark) -> tuple[tuple[str, str], ...]:
    """The first wrong step, from the output backwards, in words; where nothing could be judged, the last line."""
    if verification.passed:
        return ()
    title = title_of(verification.derivation)
    told = f"{title[0].lower()}{title[1:]}: not verified"
    if verification.ruling == "undecided":
        return (("verify", f"{told}. {''.join(map(str, last.parts))}"),)
    first = verification.failures[0]
    if first.referee == "autograd":
        step = f"{_step(first, verification.derivation)} is {first.value!r}, where torch gives {first.reference!r}"
    else:
        step = next("".join(map(str, block.parts)) for block in blocks if isinstance(block, Remark))
    return (("verify", f"{told}. The first wrong step: {step}"),)


def _step(verdict: Verdict, derivation: Derivation) -> str:
    """`∂y_pred/∂w`, or one entry of a tensor."""
    rank = len(derivation.axes) if verdict.kind in ("adjoint", "gradient") else 0
    of, by = (
        f"{name}[{','.join(map(str, entry))}]" if entry else name
        for name, entry in ((verdict.of, verdict.entry[:rank]), (verdict.by, verdict.entry[rank:]))
    )
    match verdict.kind:
        case "partial":
            return f"∂{of}/∂{by}"
        case "contribution":
            return f"the contribution of {of} to d{derivation.output}/d{by}"
        case _:
            return f"d{of}/d{by}"


# one line


def printed_inline(request: Request) -> Printed:
    """The answer in one line, `∂l/∂w = 2x(xw − y)`.

    Raises:
        Mistake: if the definitions are wrong, or the answer takes several lines.
    """
    derivation, told = derived(request)
    block = next(b for b in document_of(derivation, detail="answer") if isinstance(b, (Equations, Adjoints)))
    row, *others = block.rows
    if others or not _is_closed(row, block):
        raise Mistake("the answer is too long for a line; use the derivation directive.", "content")
    known = names_in(derivation)
    html, latex, text = HtmlRenderer(known=known), LatexRenderer(known=known), UnicodeRenderer(known=known)
    if isinstance(row, AdjointRow):
        content, tex, plain = (
            sign.join((left, printer.print(row.formula)))
            for sign, left, printer in (
                (EQUALS, html.formula.derivative(row.quantity, row.index), html.formula),
                (" = ", latex.formula.derivative(row.quantity, row.index), latex.formula),
                (" = ", text.adjoint(row.quantity, row.index), text.formula),
            )
        )
    else:
        cells = [cell for cell in row.cells if cell is not None]
        content, tex, plain = (
            sign.join(renderer.inline(cell) for cell in (cells[0], cells[-1]))
            for sign, renderer in ((EQUALS, html), (" = ", latex), (" = ", text))
        )
    plain = text.spelled(plain)
    shown = html.math(content, plain, display=False)
    return Printed(shown, (("inline", tex),), tex, plain, title_of(derivation), warnings=told)


def _is_closed(row: Row | AdjointRow, block: Equations | Adjoints) -> bool:
    """Whether the right-hand side names no derivative."""
    if isinstance(row, AdjointRow):
        assert isinstance(block, Adjoints)
        assert not isinstance(row.formula, Blank)
        return not {str(name) for name in row.formula.free_symbols} & set(block.quantities)
    return row.cells[-1] is not None and not _names_derivatives(row.cells[-1])


def _names_derivatives(inline: Inline) -> bool:
    match inline:
        case Quantity():
            return True
        case Product():
            return any(map(_names_derivatives, inline.factors))
        case Sum():
            return any(map(_names_derivatives, inline.terms))
        case _:
            return False
