"""Local rules: all partial derivatives of one line, in one sweep, each with the name of its rule.

The sweep goes from the body down to each occurrence of a parent and multiplies the derivatives it passes, from the
outer function to the inner one. Every occurrence adds its product to its parent's partial, so the cost is that of
walking the body once, however many parents it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sympy

from symgrad.calculus.reductions import Shapes, descend_matrix_function, descend_reduction
from symgrad.calculus.simplify import plain_exponent, plus, times
from symgrad.core.expression import (
    HALF,
    ZERO,
    Expr,
    add,
    cases,
    mul,
    name_of,
    occurrences,
    power,
    square_root,
    where,
)
from symgrad.core.indices import (
    Index,
    MatrixFunction,
    Reduction,
    Size,
    bound_indices,
    free_indices,
    fresh_index,
    reindex,
)
from symgrad.functions import row_of

INNER_LIMIT = 3
"""Where several occurrences join, the rules within are named while there are at most this many."""


@dataclass(frozen=True, slots=True)
class Partial:
    """∂body/∂p[J] for one occurrence of a parent.

    Args:
        occurrence: the parent as the body reads it, `p` or `p[J]`.
        expression: the partial, tidied, in the child's indices.
        written: the same as the rules gave it.
        rule: the names of the rules.
        summed: the indices that are summed (or otherwise reduced) around the occurrence.
    """

    occurrence: Expr
    expression: Expr
    written: Expr
    rule: str
    summed: tuple[Index, ...] = ()


@dataclass(frozen=True, slots=True)
class _Bend:
    """One turn on the way down: which rule, into which argument, and what rule joins several arguments."""

    rule: str
    argument: int
    joining: str


@dataclass(frozen=True, slots=True)
class _Route:
    """The way from the body to an occurrence: what stands before and after it in the product, and the bends.

    `own` are the indices of the line, which may occur nowhere in its body: in `z[i] = det(A) + b[i]` the way to A
    meets no i, but its partial is multiplied by the adjoint of z[i].
    """

    before: tuple[Expr, ...] = ()
    after: tuple[Expr, ...] = ()
    bends: tuple[_Bend, ...] = ()
    summed: tuple[Index, ...] = ()
    own: tuple[Index, ...] = ()

    def into(self, bend: _Bend, *before: Expr, after: tuple[Expr, ...] = ()) -> _Route:
        return _Route((*self.before, *before), (*after, *self.after), (*self.bends, bend), self.summed, self.own)

    def under(self, indices: tuple[Index, ...]) -> _Route:
        """The route below a reduction over `indices`."""
        return _Route(self.before, self.after, self.bends, (*self.summed, *indices), self.own)

    @property
    def taken(self) -> set[str]:
        """What a fresh index must not be called here."""
        return {str(s) for f in self.factors for s in f.free_symbols} | {i.name for i in (*self.summed, *self.own)}

    @property
    def factors(self) -> tuple[Expr, ...]:
        return (*self.before, *self.after)


_Key = tuple[Expr, tuple[Index, ...]]
_Found = tuple[Expr, Expr, _Route]


def partials(
    body: Expr, value: Expr, wanted: Collection[str], shapes: Shapes, own: tuple[Index, ...] = ()
) -> list[Partial]:
    """The partial derivative of `body` for each occurrence of each parent in `wanted` that it reads.

    Equal occurrences (`x[i]` twice) are one; `X[n,i]` and `X[n,j]` are two.

    Args:
        body: the right-hand side of a node.
        value: the node's own symbol or entry, which stands for the body in derivatives such as `1 - tanh(z)**2`.
        wanted: names of parents.
        shapes: the shape of every node that a function of matrices may read.
        own: the node's indices, where `value` does not show them.

    Returns:
        The partials, in order of appearance.

    Raises:
        NotDifferentiableError: if a function has no rule.
    """
    routes: dict[_Key, list[_Route]] = {}
    stack: list[_Found] = [(body, value, _Route(own=own or tuple(free_indices(value))))]
    while stack:
        part, own_value, route = stack.pop()
        match part:
            case Index() | Size():
                pass
            case sympy.Symbol() | sympy.Indexed():
                if name_of(part) in wanted:
                    routes.setdefault((part, route.summed), []).append(route)
            case sympy.Piecewise():
                for (occurrence, summed), slope in _cases(part, wanted, shapes, route.own).items():
                    bent = route.into(_Bend("case by case", 0, "case by case"), slope).under(summed)
                    routes.setdefault((occurrence, bent.summed), []).append(bent)
            case _ if part.args:
                stack.extend(reversed(list(_descend(part, own_value, route, wanted, shapes))))
    return [_joined(key, found) for key, found in routes.items()]


def _joined(key: _Key, routes: list[_Route]) -> Partial:
    """All occurrences that are equal."""
    tidied = plus(*(times(*route.factors) for route in routes))
    written = add(*(mul(*route.factors) for route in routes))
    return Partial(key[0], tidied, written, _rule(routes), key[1])


def _descend(part: Expr, value: Expr, route: _Route, wanted: Collection[str], shapes: Shapes) -> Iterator[_Found]:
    """The arguments of `part` that matter, each with the route extended by its derivative."""
    arguments = part.args
    match part:
        case sympy.Add():
            for i, a in enumerate(arguments):
                yield a, a, route.into(_Bend("sum rule", i, "sum rule"))
        case sympy.Mul() if arguments[0] == -1 and len(arguments) == 2:
            within_sum = bool(route.bends) and route.bends[-1].rule == "sum rule"
            bend = _Bend("sum rule" if within_sum else "constant multiple", 1, "")
            yield arguments[1], arguments[1], route.into(bend, arguments[0])
        case sympy.Mul():
            joining = "quotient rule" if _is_quotient(part, wanted) else "product rule"
            for i, a in enumerate(arguments):
                if _reads(a, wanted):
                    bend = _Bend("constant multiple", i, joining)
                    yield a, a, route.into(bend, *arguments[:i], after=arguments[i + 1 :])
        case sympy.Pow():
            yield from _descend_power(part, value, route, wanted)
        case Reduction():
            if _reads(part, wanted):
                opened = _kept_apart(part, route)
                rule, factors = descend_reduction(opened, value if opened is part else opened, route.taken)
                yield opened.body, opened.body, route.into(_Bend(rule, 0, ""), *factors).under(opened.indices)
        case MatrixFunction():
            for i, (occurrence, factor) in enumerate(descend_matrix_function(part, wanted, shapes, route.taken)):
                yield occurrence, occurrence, route.into(_Bend(f"derivative of {part.kind}", i, ""), factor)
        case _:
            row = row_of(part)
            rule = f"derivative of {row.name}" + (f" ({row.kink})" if row.kink else "")
            for i, a in enumerate(arguments):
                if _reads(a, wanted):
                    yield a, a, route.into(_Bend(rule, i, rule), row.derivatives[i](*arguments, value))


def _kept_apart(reduction: Reduction, route: _Route) -> Reduction:
    """The reduction, its indices renamed where a factor of the route binds them too."""
    bound = {i for factor in route.factors for i in bound_indices(factor)}
    clash = [i for i in reduction.indices if i in bound]
    if not clash:
        return reduction
    names = {i.name for i in bound} | {str(s) for s in reduction.free_symbols} | {i.name for i in route.summed}
    mapping = {}
    for index in clash:
        mapping[index] = fresh_index(index.size, names)
        names.add(mapping[index].name)
    renamed = reindex(reduction, mapping)
    assert isinstance(renamed, Reduction)
    return renamed


def _descend_power(part: sympy.Pow, value: Expr, route: _Route, wanted: Collection[str]) -> list[_Found]:
    base, exponent = part.args[0], plain_exponent(part.args[1])
    found = []
    if _reads(base, wanted):
        if exponent == HALF:
            bend, factor = _Bend("derivative of sqrt", 0, ""), mul(HALF, power(value, -1))
        elif exponent == -HALF:
            bend, factor = _Bend("power rule", 0, ""), mul(-HALF, power(square_root(base), -3))
        elif isinstance(exponent, sympy.Number):
            lowered = base if exponent == 2 else power(base, exponent - 1)
            bend, factor = _Bend("power rule", 0, ""), mul(exponent, lowered)
        else:
            lowered = power(base, plus(exponent, sympy.Integer(-1)))
            bend, factor = _Bend("power rule", 0, "power and exponential rule"), mul(exponent, lowered)
        found.append((base, base, route.into(bend, factor)))
    if _reads(exponent, wanted):
        bend = _Bend("exponential rule", 1, "power and exponential rule")
        slope = mul(value, sympy.log(base, evaluate=False))
        if not (base.is_Number or base.is_NumberSymbol or isinstance(base, sympy.exp)):
            # 0**y is 0 for every positive y, though 0*log(0) is nothing; torch says 0 too
            slope = where(sympy.Eq(base, ZERO, evaluate=False), ZERO, slope)
        found.append((exponent, exponent, route.into(bend, slope)))
    return found


def _reads(part: sympy.Basic, wanted: Collection[str]) -> bool:
    """Whether `part` reads any of `wanted`; a leafless constant never does."""
    return any(name_of(occurrence) in wanted for occurrence in occurrences(part))


def _is_quotient(product: sympy.Mul, wanted: Collection[str]) -> bool:
    return any(
        isinstance(f, sympy.Pow) and isinstance(f.exp, sympy.Integer) and f.exp < 0 and _reads(f, wanted)
        for f in product.args
    )


def _cases(
    distinction: sympy.Piecewise, wanted: Collection[str], shapes: Shapes, own: tuple[Index, ...]
) -> dict[_Key, Expr]:
    """For each occurrence the derivatives of the branches, case by case; conditions are constants, as in torch."""
    branches = []
    for branch, condition in distinction.args:
        found = {(p.occurrence, p.summed): p.expression for p in partials(branch, branch, wanted, shapes, own)}
        branches.append((found, condition))
    cases_of: dict[_Key, Expr] = {}
    for key in dict.fromkeys(key for found, _ in branches for key in found):
        pairs = [(found.get(key, ZERO), condition) for found, condition in branches]
        equal = len({expression for expression, _ in pairs}) == 1
        cases_of[key] = pairs[0][0] if equal else cases(*pairs)
    return cases_of


def _rule(routes: list[_Route]) -> str:
    """The names of the rules on the way, outermost first; where several occurrences join, the rule that joins them."""
    bends = [route.bends for route in routes]
    depth = 0
    while all(len(b) > depth for b in bends) and len({b[depth] for b in bends}) == 1:
        depth += 1
    names = [bend.rule for bend in bends[0][:depth]]
    if len(routes) > 1:
        names.append(bends[0][depth].joining or bends[0][depth].rule)
        inner = [bend.rule for b in bends for bend in b[depth + 1 :]]
        # a kink's convention is always said; other inner rules only while there are few
        few = len(dict.fromkeys(inner)) <= INNER_LIMIT
        names += [name for name in inner if few or name.endswith(")")]
    essential = [name for name in dict.fromkeys(names) if name != "sum rule"]
    return ", ".join(essential) or ("sum rule" if names else "identity")
