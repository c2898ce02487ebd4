"""Why a line with tensors has the form it has: a transpose, a ⊙, a sum over rows; a reason of one kind is told once."""

from __future__ import annotations

from collections.abc import Iterator

import sympy

from symgrad.calculus.matrix_algebra import MatMul, Outer, Transpose, rank, split_scalars
from symgrad.calculus.tensor_forms import Line, TensorForms
from symgrad.core.derivation import Derivation, Term
from symgrad.core.expression import Expr, name_of, occurrences
from symgrad.core.graph import Node
from symgrad.core.indices import MaxOver, MinOver, SumOver, entry, subscripts_of
from symgrad.core.symbols import MatrixFunction, Reduction
from symgrad.errors import NotDifferentiableError
from symgrad.functions import Row, row_of
from symgrad.renderers.document import Entrywise, Formula, Name, Reason, Slope


class Reasons:
    """Gives each line its reason, and remembers what was said.

    Args:
        derivation: whose lines.
        forms: its forms.
    """

    def __init__(self, derivation: Derivation, forms: TensorForms) -> None:
        self.derivation = derivation
        self.forms = forms
        self._said: set[str] = set()

    def of(self, line: Line, form: Expr | None) -> Reason:
        """The first reason for a line that was not told yet; `form` is the line in matrix notation."""
        for kind, reason in self._candidates(line, form):
            if kind not in self._said:
                self._said.add(kind)
                return reason
        return ()

    def _candidates(self, line: Line, form: Expr | None) -> Iterator[tuple[str, Reason]]:
        terms = [term for part in line.parts for term in part.terms]
        for part in line.parts:
            for term in self.forms.terms_into(part):
                yield from self._conventions(term)
        if len({part.child for part in line.parts}) > 1:
            yield "paths", (f"{len(line.parts)} paths, which add up",)
        if form is None or len(terms) != 1:
            return
        (term,) = terms
        yield from self._notation(line, term, form)

    def _conventions(self, term: Term) -> Iterator[tuple[str, Reason]]:
        """What is fixed where there is no derivative, and labels that select."""
        child = self.derivation.primal[term.child]
        assert child.body is not None
        for function, text in _kinks(child.body, term.parent):
            yield f"kink of {function}", (f"{function}: {text}",)
        for subscript in subscripts_of(term.occurrence):
            for selector in occurrences(subscript):
                name = name_of(selector)
                yield f"labels {name}", (Name(name), " selects the entries of ", Name(term.parent))

    def _notation(self, line: Line, term: Term, form: Expr) -> Iterator[tuple[str, Reason]]:
        """Why the matrix notation has this form."""
        _, tensor = split_scalars(form)
        child = self.derivation.primal[term.child]
        sums = [part for part in sympy.preorder_traversal(line.formula) if isinstance(part, SumOver)]
        if isinstance(tensor, Outer):
            if term.child not in self.forms.hidden:
                slope = Slope(entry(term.child, child.index), term.occurrence, self.forms.recalled(term.partial))
                yield "outer", (slope,)
        elif isinstance(tensor, MatMul) and any(isinstance(f, Transpose) for f in tensor.args) and _is_product(sums):
            over = [part for i in sums[0].indices for part in (", ", Formula(i))][1:]
            yield "transposed", ("the sum over ", *over, " of ", Formula(sums[0].body), ": transposed")
        elif sums and isinstance(sums[0].body, sympy.Indexed) and sums[0].body == line.formula.args[0]:
            over = [part for i in sums[0].indices for part in (", ", Formula(i))][1:]
            where = "row" if rank(form) == 1 and len(sums[0].indices) == 1 else "entry"
            yield "broadcast", (Name(term.parent), f" is added to every {where}: summed over ", *over)
        elif not sums and child.shape and _multiplies_entries(tensor):
            yield from self._entrywise(self.derivation.primal[line.parts[0].child])

    def _entrywise(self, child: Node) -> Iterator[tuple[str, Reason]]:
        """Why a line through `child`, which is told by name, has a ⊙."""
        body = child.body
        if isinstance(body, sympy.Function) and len(body.args) == 1 and isinstance(body.args[0], sympy.Indexed):
            yield "entrywise", (f"{row_of(body).name} acts entry by entry, so ", Entrywise())
        elif child.shape and body is not None and not body.has(Reduction):
            yield "entrywise", (Name(child.name), " is made entry by entry, so ", Entrywise())


def _is_product(sums: list[Expr]) -> bool:
    """Whether a line is one sum of the product of two entries."""
    if len(sums) != 1 or not isinstance(sums[0].body, sympy.Mul):
        return False
    entries = [factor for factor in sums[0].body.args if not factor.is_Number]
    return len(entries) == 2 and all(isinstance(e, (sympy.Indexed, MatrixFunction)) for e in entries)


def _multiplies_entries(tensor: Expr) -> bool:
    return isinstance(tensor, sympy.Mul) and sum(rank(factor) > 0 for factor in tensor.args) > 1


def _kinks(body: Expr, parent: str) -> Iterator[tuple[str, str]]:
    """The functions of `parent` in a body that have a kink, and the convention there."""
    for part in sympy.preorder_traversal(body):
        if isinstance(part, (MaxOver, MinOver)):
            kink = (part.kind, "the derivative is shared evenly at a tie")
        else:
            row = _row(part)
            if row is None or not row.kink:
                continue
            kink = (row.name, f"the derivative is {row.kink}")
        if any(name_of(o) == parent for o in occurrences(part)):
            yield kink


def _row(part: sympy.Basic) -> Row | None:
    if not isinstance(part, sympy.Function) or isinstance(part, sympy.Piecewise):
        return None
    try:
        return row_of(part)
    except NotDifferentiableError:
        return None
