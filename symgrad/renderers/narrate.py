"""The story of a derivation, told once for every format.

A name with one short path is told as one product of its factors; a few paths that share nothing are told one by one
and added up; whatever shares an intermediate is told backwards, each total once.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import sympy

from symgrad.calculus.forms import Forms, Path
from symgrad.calculus.numeric import constant_value
from symgrad.calculus.simplify import plus, times
from symgrad.core.derivation import Derivation, Step, Term
from symgrad.core.expression import ONE, ZERO, Expr, add, mul, name_of, number, occurrences, size, substitute, symbol
from symgrad.core.results import Evaluation, Value
from symgrad.renderers.document import (
    Block,
    Chain,
    Document,
    Equations,
    Gap,
    Given,
    Heading,
    Inline,
    Legend,
    Name,
    Paths,
    Product,
    Quantity,
    Remark,
    Row,
    Sum,
)
from symgrad.renderers.options import Detail, Notation
from symgrad.renderers.quantities import Quantities


def narrate(
    derivation: Derivation,
    evaluation: Evaluation | None = None,
    detail: Detail = "steps",
    notation: Notation = "auto",
) -> Document:
    """Tell a derivation.

    Args:
        derivation: what to tell.
        evaluation: its numbers at a point, to stand beside every line.
        detail: `answer`, `chain` (Leibniz, worked, closed forms) or `steps` (the local partials and their rules too).
        notation: `partial` prints every derivative with ∂, `total` prints totals with d; `auto` decides by the forks.

    Raises:
        RenderError: if `partial` is asked for where ∂ could mean two things.
    """
    return _Narrator(derivation, evaluation, detail, notation).tell()


@dataclass(frozen=True)
class _Narrator:
    derivation: Derivation
    evaluation: Evaluation | None
    detail: Detail
    notation: Notation

    @cached_property
    def quantities(self) -> Quantities:
        return Quantities(self.derivation, self.notation)

    @property
    def forms(self) -> Forms:
        return self.quantities.forms

    def tell(self) -> Document:
        blocks: list[Block] = []
        if self.detail != "answer":
            used = self.derivation.primal.ancestors(self.derivation.output)
            bodies = [(n.name, n.body) for n in self.derivation.primal.nodes if n.name in used and n.body is not None]
            blocks.append(Given(tuple(bodies)))
        if self.quantities.totals and self.detail != "answer":
            blocks.append(Legend(self.forms.has_ambiguity))
        reached = [name for name in self.derivation.wrt if self.forms.path_counts.get(name)]
        if self.detail == "answer":
            blocks += [Equations((self._answer(self.derivation.step(name)),)) for name in reached]
        elif self.forms.told_by_paths:
            for name in reached:
                blocks += self._by_paths(name, opens=name == reached[0])
        else:
            blocks += self._backwards()
        for name in self.derivation.wrt:
            if not self.forms.path_counts.get(name):
                blocks += [Gap(), *self._absent(self.derivation.step(name))]
        return tuple(blocks)

    # one path, or a few that share nothing

    def _by_paths(self, name: str, opens: bool) -> list[Block]:
        paths = self.forms.paths(name)
        if name == self.derivation.output:
            return [Gap(), Equations((Row((self._adjoint(name), ONE)),))]
        if len(paths) > 1:
            return self._fork(name, paths)
        (path,) = paths
        step = self.derivation.step(name)
        blocks: list[Block] = [] if opens else [Gap()]
        blocks += [Chain(path.nodes), Gap()]
        factors = tuple(term.partial for term in path.terms)
        if len(path.terms) == 1:
            row = Row((self._adjoint(name), factors[0]), self._rule(path.terms[0]), self._cases(path.terms[0]))
            rows = (row, *self._closing(step, factors[0]))
            return [*blocks, Equations(_with_value(rows, self._adjoint_value(name)))]
        leibniz = Product(tuple(self._partial(term) for term in path.terms))
        locals_ = path.terms if self.detail == "steps" else ()
        closing = self._closing(step, path.product, shown=False)
        return [*blocks, *self._equations(name, leibniz, locals_, Product(factors), closing)]

    def _fork(self, name: str, paths: tuple[Path, ...]) -> list[Block]:
        blocks: list[Block] = [Gap()]
        if self.detail == "steps":
            terms = dict.fromkeys(term for path in paths for term in path.terms)
            blocks += [
                Heading("Local partials"),
                Equations(tuple(self._local(term) for term in terms), local=True),
                Gap(),
            ]
        sentence = f" by {len(paths)} paths; their contributions add up."
        blocks.append(Remark((Name(name), " reaches ", Name(self.derivation.output), sentence)))
        items = []
        for path in paths:
            leibniz = Product(tuple(self._partial(term) for term in path.terms))
            factors = Product(tuple(term.partial for term in path.terms))
            cells = (leibniz, path.product) if len(path.terms) == 1 else (leibniz, factors, path.product)
            items.append((path.nodes, Row(cells, value=self._path_value(path))))
        step = self.derivation.step(name)
        products = tuple(path.product for path in paths)
        total: tuple[Inline | None, ...] = (self._adjoint(name), Sum(products))
        told = plus(*products)
        rows = (Row(total), *self._closing(step, told, shown=told == add(*products)))
        if len(rows) == 2 and rows[1].cells:
            rows = (Row((*total, rows[1].cells[1])),)
        return [*blocks, Paths(tuple(items)), Equations(_with_value(rows, self._adjoint_value(name)))]

    # backwards, node by node

    def _backwards(self) -> list[Block]:
        blocks: list[Block] = []
        told: set[Term] = set()
        for step in self._in_telling_order():
            blocks.append(Gap())
            fresh_terms = [t for t in self._terms_of(step) if t not in told]
            told.update(fresh_terms)
            blocks += self._step(step, fresh_terms)
        return blocks

    def _in_telling_order(self) -> list[Step]:
        """The intermediates backwards, then the leaves as they were asked for; trivial steps are left out."""
        wrt, asked = self.derivation.wrt, self.derivation.asked
        leaves = {name: self.derivation.step(name) for name in wrt if self.derivation.primal[name].is_leaf}
        inner = [s for s in self.derivation.steps if s.node not in leaves]
        steps = [*inner, *leaves.values()]
        return [s for s in steps if s.terms and (s.node in asked or not self.quantities.is_direct(s.node))]

    def _terms_of(self, step: Step) -> list[Term]:
        """The local partials a step needs: its own, and those that link its direct children to the output."""
        terms: list[Term] = []
        for term in step.terms:
            if self.quantities.is_direct(term.child):
                terms += self.derivation.step(term.child).terms
            terms.append(term)
        return terms

    def _step(self, step: Step, fresh_terms: list[Term]) -> list[Block]:
        adjoint, value = self._adjoint(step.node), self._adjoint_value(step.node)
        if self.quantities.is_direct(step.node):
            (term,) = step.terms
            row = Row((adjoint, term.partial), self._rule(term), self._cases(term))
            return [Equations(_with_value((row, *self._closing(step, term.partial)), value))]
        leibniz: list[Inline] = []
        worked: list[Inline] = []
        for term in step.terms:
            if term.child == self.derivation.output:
                leibniz.append(self._partial(term))
                worked.append(term.partial)
                continue
            upstream = self.forms.upstream(term)
            named = upstream == symbol(self.derivation.adjoints[term.child])
            shown: Inline = self._adjoint(term.child) if named else upstream
            leibniz.append(Product((self._upstream_quantity(term.child), self._partial(term))))
            if ONE in (upstream, term.partial):
                worked.append(shown if term.partial == ONE else term.partial)
            else:
                worked.append(Product((shown, term.partial)))
        form = self.forms.worked[step.node]
        products = [(self.forms.upstream(term), term.partial) for term in step.terms]
        unshortened = plus(*(times(*factors) for factors in products))
        named = self.forms.names_adjoint(unshortened)
        rows = [Row((None, form))] if form != unshortened and not named else []
        plain = [term for term in worked if isinstance(term, sympy.Expr)]
        told = bool(rows) or named or (len(plain) == len(worked) and add(*plain) == form)
        shorter = size(form) < size(_side_by_side(products))
        if step.node in self.derivation.asked:
            rows += self._closing(step, form, told or (len(products) > 1 and not shorter))
        elif not told and shorter:
            rows.append(Row((None, form)))
        locals_ = fresh_terms if self.detail == "steps" else ()
        return self._equations(step.node, _sum(leibniz), locals_, _sum(worked), tuple(rows))

    def _equations(
        self, node: str, leibniz: Inline, terms: Sequence[Term], worked: Inline, closing: tuple[Row, ...]
    ) -> list[Block]:
        """The Leibniz form, its local partials, the worked form and what closes it; on one line where no partial is."""
        adjoint, value = self._adjoint(node), self._adjoint_value(node)
        if not terms:
            return [Equations(_with_value((Row((adjoint, leibniz, worked)), *closing), value))]
        return [
            Equations((Row((adjoint, leibniz)),)),
            Equations(tuple(self._local(term) for term in terms), local=True),
            Equations(_with_value((Row((adjoint, worked)), *closing), value)),
        ]

    def _upstream_quantity(self, child: str) -> Quantity:
        if self.quantities.is_direct(child):
            return self._partial(self.derivation.step(child).terms[0])
        return self._adjoint(child)

    # the last line, and the lines that stand alone

    def _closing(self, step: Step, worked: Expr, shown: bool = True) -> tuple[Row, ...]:
        """The shortened and the closed form, where they say something new.

        Args:
            step: whose adjoint it is.
            worked: the form that stands above.
            shown: whether `worked` stands there as it is, and not as a row of factors.
        """
        rows = []
        short = self.forms.worked[step.node]
        if short != worked and not self.forms.names_adjoint(short):
            rows.append(Row((None, short)))
            worked, shown = short, True
        closed = self.forms.closed(worked)
        if closed is None:
            count = self.forms.closed_size(step)
            size = f"{count:,}" if count < 10**6 else f"about 10^{int(math.log10(count))}"
            if not shown:
                rows.append(Row((None, worked)))
            rows.append(Row((), note=f"written in leaves alone it would have {size} parts; this form stands"))
        elif closed != worked or not shown:
            rows.append(Row((None, closed)))
        return tuple(rows)

    def _answer(self, step: Step) -> Row:
        worked = self.forms.worked[step.node]
        if not step.terms:
            return Row((self._adjoint(step.node), worked), value=self._adjoint_value(step.node))
        closed = self.forms.closed(worked)
        shown = closed if closed is not None else self._with_quantities(worked, step)
        return Row((self._adjoint(step.node), shown), value=self._adjoint_value(step.node))

    def _with_quantities(self, worked: Expr, step: Step) -> Inline:
        """`worked`, or the Leibniz form where it refers to other adjoints by name."""
        if not self.forms.names_adjoint(worked):
            return worked
        return _sum([Product((self._adjoint(t.child), t.partial)) for t in step.terms])

    def _absent(self, step: Step) -> list[Block]:
        output, name = Name(self.derivation.output), Name(step.node)
        if step.node in self.derivation.primal.ancestors(self.derivation.output):
            sentence = Remark((output, " reads ", name, " in conditions alone; its derivative is 0."), outcome=True)
        else:
            sentence = Remark((output, " does not depend on ", name, "."), outcome=True)
        return [sentence, Equations((Row((self._adjoint(step.node), ZERO)),))]

    def _local(self, term: Term) -> Row:
        value = None if self.evaluation is None else _number(self.evaluation.partials[term.edge])
        return Row((self._partial(term), term.partial), self._rule(term), self._cases(term), value)

    def _rule(self, term: Term) -> str:
        return term.rule if self.detail == "steps" else ""

    def _cases(self, term: Term) -> tuple[sympy.Basic, ...]:
        if self.evaluation is None or self.detail != "steps":
            return ()
        nodes = {name: _number(value) for name, value in self.evaluation.nodes.items()}
        return _holding(term.partial, nodes)

    # quantities and their values

    def _adjoint(self, node: str) -> Quantity:
        return self.quantities.adjoint(node)

    def _partial(self, term: Term) -> Quantity:
        return self.quantities.partial(term)

    def _adjoint_value(self, node: str) -> float | None:
        return None if self.evaluation is None else _number(self.evaluation.adjoints[node])

    def _path_value(self, path: Path) -> float | None:
        if self.evaluation is None:
            return None
        return math.prod(_number(self.evaluation.partials[term.edge]) for term in path.terms)


def _number(value: Value) -> float:
    """The value of a scalar."""
    assert isinstance(value, float)
    return value


def _sum(terms: list[Inline]) -> Inline:
    return terms[0] if len(terms) == 1 else Sum(tuple(terms))


def _side_by_side(products: list[tuple[Expr, Expr]]) -> Expr:
    """A sum of products as it is shown, nothing multiplied."""
    shown: list[Expr] = []
    for pair in products:
        factors = [f for part in pair for f in (part.args if isinstance(part, sympy.Mul) else (part,))]
        product = mul(*(factor for factor in factors if factor != ONE))
        shown += product.args if isinstance(product, sympy.Add) else (product,)
    return add(*shown)


def _with_value(rows: tuple[Row, ...], value: float | None) -> tuple[Row, ...]:
    """The value beside the last row that says something."""
    last = max(i for i, row in enumerate(rows) if row.cells)
    row = rows[last]
    if isinstance(row.cells[-1], sympy.Number) and not row.note:
        return rows  # a number is its own value
    return (*rows[:last], Row(row.cells, row.note, row.cases, value), *rows[last + 1 :])


def _holding(partial: sympy.Basic, nodes: Mapping[str, float]) -> tuple[sympy.Basic, ...]:
    """The conditions that hold at a point on the branches `partial` takes there; those that fail are negated."""
    found: list[sympy.Basic] = []
    if not isinstance(partial, sympy.Piecewise):
        for argument in partial.args:
            found += _holding(argument, nodes)
        return _merged(found)
    for branch, condition in partial.args:
        if condition is sympy.true:
            return _merged([*found, *_holding(branch, nodes)])
        holds = _holds(condition, nodes)
        if holds is None:
            return _merged(found)
        found.append(condition if holds else condition.negated)
        if holds:
            return _merged([*found, *_holding(branch, nodes)])
    return _merged(found)


def _holds(condition: sympy.Basic, nodes: Mapping[str, float]) -> bool | None:
    """Whether a comparison holds at a point; None where its sides have no value."""
    values: dict[sympy.Basic, Expr] = {o: number(nodes[name_of(o)]) for o in occurrences(condition)}
    if not all(math.isfinite(nodes[name_of(o)]) for o in values):
        return None
    try:
        left, right = (constant_value(substitute(side, values)) for side in condition.args)
    except (OverflowError, ValueError, ZeroDivisionError):
        return None
    if not isinstance(left, float) or not isinstance(right, float):
        return None
    compare: Callable[[float, float], bool] = {
        sympy.StrictGreaterThan: operator.gt,
        sympy.GreaterThan: operator.ge,
        sympy.StrictLessThan: operator.lt,
        sympy.LessThan: operator.le,
        sympy.Equality: operator.eq,
        sympy.Unequality: operator.ne,
    }[type(condition)]
    return compare(left, right)


def _merged(conditions: list[sympy.Basic]) -> tuple[sympy.Basic, ...]:
    """Conditions without repetition; `a <= b` and `a != b` are one, and so are `a <= b` and `a == b`."""
    kept = list(dict.fromkeys(conditions))
    for weak in [c for c in kept if isinstance(c, (sympy.LessThan, sympy.GreaterThan))]:
        for other in [c for c in kept if c.args == weak.args]:
            if isinstance(other, sympy.Equality):
                kept.remove(weak)
            elif isinstance(other, sympy.Unequality):
                strict = sympy.StrictLessThan if isinstance(weak, sympy.LessThan) else sympy.StrictGreaterThan
                kept[kept.index(weak)] = strict(*weak.args, evaluate=False)
                kept.remove(other)
    return tuple(kept)
