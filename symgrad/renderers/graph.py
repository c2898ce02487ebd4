"""Pictures of the computational graph: what a picture says, once for SVG, DOT and Mermaid."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy

from symgrad.calculus.matrices import matrix_form
from symgrad.calculus.tensor_forms import TensorForms
from symgrad.core.derivation import Derivation, Term
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import free_indices
from symgrad.core.memory import uncollected
from symgrad.core.names import suggestion
from symgrad.core.results import Evaluation
from symgrad.errors import RenderError
from symgrad.renderers.diagrams import to_dot, to_mermaid
from symgrad.renderers.document import Quantity
from symgrad.renderers.picture import Arrow, Box, Picture, Role
from symgrad.renderers.quantities import Quantities
from symgrad.renderers.svg import to_svg
from symgrad.renderers.tensor_lines import compact
from symgrad.renderers.text import UnicodeRenderer
from symgrad.renderers.text_width import text_width

__all__ = ["FORMATS", "draw", "picture"]

_WRITERS: Mapping[str, Callable[[Picture], str]] = {"svg": to_svg, "dot": to_dot, "mermaid": to_mermaid}

FORMATS = tuple(_WRITERS)
"""The formats `draw` knows."""

MOST_TOLD = 250
"""A larger graph is drawn with names alone."""

MOST_SAID = 40
"""As many nodes are told in a picture's alternative text."""

LISTED = 6
"""A tensor with more entries is told by its shape."""

LABEL_WIDTH = 120.0
"""A partial whose formula is wider than this (at 11 pixels) is told by its shape."""


@uncollected
def draw(
    derivation_or_graph: Derivation | Graph,
    format: str = "svg",
    evaluation: Evaluation | None = None,
    highlight: str | None = None,
    names: Mapping[str, str] | None = None,
) -> str:
    r"""Draw a computational graph.

    Of a derivation, the leaves it differentiates by are drawn as parameters, and the edges along which no derivative
    flows are drawn faintly; a graph alone has neither.

    Args:
        derivation_or_graph: what to draw; nodes the output does not depend on are left out.
        format: `svg`, `dot` or `mermaid`.
        evaluation: numbers at a point, from `compile(derivation)(point)`: values and adjoints on the nodes, local
            partials on the edges. Between tensors a partial is told as its formula, entry by entry.
        highlight: a node; it, and everything on a path from it to the output, stands out.
        names: how to print a name, in LaTeX, as for `render`.

    Returns:
        The text, without a newline at its end; the same bytes on every run. An SVG is self-contained and has no
        script, follows the reader's choice of light or dark, and shrinks with its place.

    Raises:
        RenderError: if the format is unknown, or no path leads from `highlight` to the output.
        GraphError: if `highlight` or one of `names` is no node.
    """
    if format not in _WRITERS:
        hint = suggestion(format, FORMATS) or f" It is one of {', '.join(FORMATS)}."
        raise RenderError(f"unknown format {format!r}.{hint}")
    return _WRITERS[format](picture(derivation_or_graph, evaluation, highlight, names))


def picture(
    subject: Derivation | Graph,
    evaluation: Evaluation | None = None,
    highlight: str | None = None,
    names: Mapping[str, str] | None = None,
) -> Picture:
    """What `draw` draws; the arguments are the same."""
    derivation = None if isinstance(subject, Graph) else subject
    graph = subject if isinstance(subject, Graph) else subject.primal
    for name in names or {}:
        graph[name]
    return _Composer(graph, derivation, evaluation, highlight, dict(names or {})).compose()


@dataclass(frozen=True)
class _Composer:
    graph: Graph
    derivation: Derivation | None
    evaluation: Evaluation | None
    highlight: str | None
    names: dict[str, str]

    def compose(self) -> Picture:
        boxes = tuple(self._box(node) for node in self.nodes)
        arrows = tuple(self._arrow(parent, node.name) for node in self.nodes for parent in node.parents)
        of = " and ".join(map(self.printer.formula.name, self.outputs))
        return Picture(
            boxes,
            arrows,
            f"Computational graph of {of}",
            self._description(boxes),
            self._remarks(),
            self._highlight_told(),
            {
                "input": "leaf" if self.derivation is None else "input",
                "parameter": "parameter",
                "intermediate": "intermediate",
                "inserted": "part of a definition",
                "output": "output",
            },
        )

    # what is drawn

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        return self.graph.outputs if self.derivation is None else (self.derivation.output,)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """What the outputs depend on, and what was asked for."""
        used = self.graph.ancestors(*self.outputs)
        wrt = () if self.derivation is None else self.derivation.wrt
        return tuple(node for node in self.graph.nodes if node.name in used or node.name in wrt)

    @cached_property
    def brief(self) -> bool:
        """Whether only names are drawn."""
        return len(self.nodes) > MOST_TOLD

    @cached_property
    def on_path(self) -> frozenset[str]:
        """The nodes on any path from the highlighted one to the output."""
        if self.highlight is None:
            return frozenset()
        found = self.graph.descendants((self.highlight,)) & self.graph.ancestors(*self.outputs)
        if not found:
            raise RenderError(f"no path leads from {self.highlight!r} to {self.outputs[0]!r}; nothing is highlighted.")
        return found

    def _role(self, node: Node) -> Role:
        if node.name in self.outputs:
            return "output"
        if node.is_leaf:
            return "parameter" if self.derivation and node.name in self.derivation.wrt else "input"
        return "inserted" if node.inserted else "intermediate"

    def _box(self, node: Node) -> Box:
        role, lit = self._role(node), node.name in self.on_path
        if self.brief:
            return Box(node.name, role, self.printer.formula.name(node.name), highlighted=lit)
        title, definition = self._formula(node)
        value = adjoint = ""
        if self.evaluation is not None:
            value, adjoint = self._number(self.evaluation.nodes.get(node.name)), self._adjoint(node)
        shape = compact(node.shape) if node.shape else ""
        return Box(node.name, role, title, shape, definition, value, adjoint, lit)

    def _arrow(self, parent: str, child: str) -> Arrow:
        terms = self._terms.get((child, parent), ())
        live = self.derivation is None or bool(terms)
        lit = parent in self.on_path and child in self.on_path
        if self.brief or not terms:
            return Arrow(parent, child, live, highlighted=lit)
        told = "; ".join(dict.fromkeys(self._partial(term) for term in terms))
        label = "" if self.evaluation is None else "; ".join(dict.fromkeys(map(self._label, terms)))
        return Arrow(parent, child, live, label, told, lit)

    @cached_property
    def _terms(self) -> Mapping[tuple[str, str], tuple[Term, ...]]:
        found: dict[tuple[str, str], tuple[Term, ...]] = {}
        for term in self.derivation.terms if self.derivation else ():
            found[term.child, term.parent] = (*found.get((term.child, term.parent), ()), term)
        return found

    # how it is printed

    @cached_property
    def printer(self) -> UnicodeRenderer:
        return UnicodeRenderer(self.names, [node.name for node in self.graph.nodes])

    @cached_property
    def forms(self) -> TensorForms:
        """The forms the terminal prints; of a graph alone, those of its definitions."""
        return TensorForms(self.derivation or Derivation(self.graph, self.graph.output, (), (), self.graph))

    @cached_property
    def _in_matrices(self) -> bool:
        return self.graph.has_tensors

    def _formula(self, node: Node) -> tuple[str, str]:
        """What stands at the head of a node's box, and below it."""
        name = self.printer.formula.name(node.name)
        if node.body is None:
            return name, ""
        if not self._in_matrices:
            formula = self.printer.definition.print(node.body)
            return (formula, "") if node.inserted else (name, formula)
        body = self.forms.body(node)
        form = matrix_form(body, node.index, self.forms.shapes, as_written=True, inline=self.forms.matrices)
        if form is None and node.index:
            name += f"[{self.printer.formula.subscripts(node.index)}]"
        shown = body if form is None else form
        formula = (self.printer.formula if shown.has(sympy.Indexed) else self.printer.matrices).print(shown)
        return (formula, "") if node.name in self.forms.hidden else (name, formula)

    def _partial(self, term: Term) -> str:
        """`∂z[i]/∂W[i,j] = x[j]`."""
        index = self.graph[term.child].index
        of = self.printer.formula.name(term.child)
        of += f"[{self.printer.formula.subscripts(index)}]" if index else ""
        return f"∂{of}/∂{self.printer.formula.print(term.occurrence)} = {self._written(term)}"

    def _written(self, term: Term) -> str:
        """A local partial, the inserted nodes in it written in place."""
        partial = term.partial
        if self._in_matrices:
            told = self.forms.recalled(partial)
            partial = self.forms.body(Node("partial", told, tuple(free_indices(told))))
        return self.printer.formula.print(partial)

    def _label(self, term: Term) -> str:
        """A local partial in brief: a number, or between tensors its formula, or its shape."""
        assert self.evaluation is not None
        if term.edge in self.evaluation.partials:
            return self._number(self.evaluation.partials[term.edge]).removeprefix("= ")
        written = self._written(term)
        if text_width(written, 11.0) <= LABEL_WIDTH:
            return written
        shape = (*self.graph[term.child].shape, *self.graph[term.parent].shape)
        return compact(shape)

    # numbers

    def _adjoint(self, node: Node) -> str:
        """`∂l/∂w = −18`."""
        assert self.evaluation is not None
        value = self.evaluation.adjoints.get(node.name)
        if value is None or self.derivation is None:
            return ""
        if node.name in self.forms.hidden:
            return f"adjoint {self._number(value)}"
        quantity = Quantity(self.derivation.output, node.name, self.totals, "")
        return f"{self.printer.quantity(quantity)} {self._number(value)}"

    @cached_property
    def totals(self) -> bool:
        """Whether totals are written with d, as the terminal does where paths fork."""
        assert self.derivation is not None
        return self.forms.has_fork if self._in_matrices else Quantities(self.derivation).totals

    def _number(self, value: Any) -> str:
        """`= 3`, `≈ 0.33333`, `= [1, 2]`, or the shape of a large array."""
        if value is None:
            return ""
        shape = getattr(value, "shape", ())
        if not shape:
            return f"{'=' if _is_short(float(value)) else '≈'} {self._digits(float(value), 5)}"
        if value.size > LISTED:
            return f"= array {compact(shape)}"
        entries = [float(entry) for entry in value.ravel()]
        sign = "=" if all(_is_short(entry, 3) for entry in entries) else "≈"
        return f"{sign} {self._listed(value.tolist())}"

    def _listed(self, value: Any) -> str:
        """Nested lists; a row is kept on one line where there is room, by spaces that do not break."""
        if not isinstance(value, list):
            return self._digits(float(value), 3)
        space = " " if value and isinstance(value[0], list) else "\N{NO-BREAK SPACE}"
        return f"[{f',{space}'.join(map(self._listed, value))}]"

    def _digits(self, value: float, digits: int) -> str:
        sign = "−" if value < 0 else ""
        text = _rounded(abs(value), digits)
        return sign + (self.printer.formula.decimal(text) if text[0].isdigit() else text)

    # words

    def _remarks(self) -> tuple[str, ...]:
        if self.brief:
            return (f"{len(self.nodes)} nodes are too many for formulas and values; only names are drawn.",)
        if self.evaluation is None:
            return ()
        remarks = ["= value"]
        if self.derivation is not None:
            d = "d" if self.totals else "∂"
            output = self.printer.formula.name(self.derivation.output)
            remarks[0] += f", and below it the adjoint {d}{output}/{d}v"
            entrywise = ", between tensors entry by entry" if self._in_matrices else ""
            remarks.append(f"on an edge: ∂child/∂parent{entrywise}")
        return tuple(remarks)

    def _highlight_told(self) -> str:
        if self.highlight is None:
            return ""
        start, end = (self.printer.formula.name(name) for name in (self.highlight, self.outputs[0]))
        counts = {self.highlight: 1}
        for node in self.nodes:
            if node.name in self.on_path and node.name != self.highlight:
                counts[node.name] = sum(counts.get(parent, 0) for parent in node.parents)
        count = sum(counts.get(output, 0) for output in self.outputs)
        paths = "the path" if count == 1 else f"the {count} paths" if count < 1000 else "all paths"
        return f"{paths} from {start} to {end}" if start != end else f"{end} alone"

    def _description(self, boxes: Sequence[Box]) -> str:
        """The picture in words."""
        if self.brief:
            roots = [box.title for box in boxes if box.role in ("input", "parameter")]
            return f"{len(boxes)} nodes, {len(roots)} of them leaves."
        parts = []
        for box in boxes[:MOST_SAID]:
            text = box.title + (f" {box.shape}" if box.shape else "")
            if box.definition:
                text += f" = {box.definition}"
            elif box.role in ("input", "parameter"):
                text += f" ({box.role if self.derivation else 'leaf'})"
            numbers = ", ".join(filter(None, (box.value.replace("= ", "value ", 1), box.adjoint)))
            parts.append(f"{text}: {numbers}" if numbers else text)
        if len(boxes) > MOST_SAID:
            parts.append(f"and {len(boxes) - MOST_SAID} more")
        return "; ".join(parts) + "."


def _rounded(value: float, digits: int) -> str:
    """A number that is not negative in so many significant digits; a whole one in full."""
    if value.is_integer() and value < 1e9:
        return str(int(value))
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def _is_short(value: float, digits: int = 5) -> bool:
    return math.isnan(value) or float(_rounded(abs(value), digits)) == abs(value)
