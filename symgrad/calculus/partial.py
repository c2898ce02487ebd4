"""Local rules: all partial derivatives of one line, in one sweep, each with the name of its rule.

The sweep goes from the body down to each occurrence of a parent and multiplies the derivatives it passes, from the
outer function to the inner one. Every occurrence adds its product to its parent's partial, so the cost is that of
walking the body once, however many parents it has.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sympy

from symgrad.calculus.simplify import plain_exponent, plus, times
from symgrad.core.expression import HALF, ZERO, Expr, add, cases, mul, name_of, power, square_root, where
from symgrad.functions import row_of

INNER_LIMIT = 3
"""Where several occurrences join, the rules within are named while there are at most this many."""


@dataclass(frozen=True, slots=True)
class Partial:
    """∂body/∂parent, tidied and as the rules gave it, and the names of the rules."""

    expression: Expr
    written: Expr
    rule: str


@dataclass(frozen=True, slots=True)
class _Bend:
    """One turn on the way down: which rule, into which argument, and what rule joins several arguments."""

    rule: str
    argument: int
    joining: str


@dataclass(frozen=True, slots=True)
class _Route:
    """The way from the body to an occurrence: what stands before and after it in the product, and the bends."""

    before: tuple[Expr, ...] = ()
    after: tuple[Expr, ...] = ()
    bends: tuple[_Bend, ...] = ()

    def into(self, bend: _Bend, *before: Expr, after: tuple[Expr, ...] = ()) -> _Route:
        return _Route((*self.before, *before), (*after, *self.after), (*self.bends, bend))

    @property
    def factors(self) -> tuple[Expr, ...]:
        return (*self.before, *self.after)


def partials(body: Expr, value: Expr, wanted: Collection[str]) -> dict[str, Partial]:
    """The partial derivative of `body` for each parent in `wanted` that it reads.

    Args:
        body: the right-hand side of a node.
        value: the node's own symbol, which stands for the body in derivatives such as `1 - tanh(z)**2`.
        wanted: names of parents.

    Returns:
        For each parent, in order of appearance, the partial and its rule.

    Raises:
        NotDifferentiableError: if a function has no rule.
    """
    routes: dict[str, list[_Route]] = {}
    stack: list[tuple[Expr, Expr, _Route]] = [(body, value, _Route())]
    while stack:
        part, own_value, route = stack.pop()
        if isinstance(part, (sympy.Symbol, sympy.Indexed)):
            if name_of(part) in wanted:
                routes.setdefault(name_of(part), []).append(route)
        elif isinstance(part, sympy.Piecewise):
            bend = _Bend("case by case", 0, "case by case")
            for name, slope in _cases(part, wanted).items():
                routes.setdefault(name, []).append(route.into(bend, slope))
        elif part.args:
            stack.extend(reversed(list(_descend(part, own_value, route, wanted))))
    return {name: _joined(found) for name, found in routes.items()}


def _joined(routes: list[_Route]) -> Partial:
    """All occurrences of one parent."""
    tidied = plus(*(times(*route.factors) for route in routes))
    written = add(*(mul(*route.factors) for route in routes))
    return Partial(tidied, written, _rule(routes))


def _descend(part: Expr, value: Expr, route: _Route, wanted: Collection[str]) -> list[tuple[Expr, Expr, _Route]]:
    """The arguments of `part` that matter, each with the route extended by its derivative."""
    arguments = part.args
    match part:
        case sympy.Add():
            return [(a, a, route.into(_Bend("sum rule", i, "sum rule"))) for i, a in enumerate(arguments)]
        case sympy.Mul():
            if arguments[0] == -1 and len(arguments) == 2:
                within_sum = bool(route.bends) and route.bends[-1].rule == "sum rule"
                bend = _Bend("sum rule" if within_sum else "constant multiple", 1, "")
                return [(arguments[1], arguments[1], route.into(bend, arguments[0]))]
            joining = "quotient rule" if _is_quotient(part, wanted) else "product rule"
            return [
                (a, a, route.into(_Bend("constant multiple", i, joining), *arguments[:i], after=arguments[i + 1 :]))
                for i, a in enumerate(arguments)
                if _reads(a, wanted)
            ]
        case sympy.Pow():
            return _descend_power(part, value, route, wanted)
        case _:
            row = row_of(part)
            rule = f"derivative of {row.name}" + (f" ({row.kink})" if row.kink else "")
            return [
                (a, a, route.into(_Bend(rule, i, rule), row.derivatives[i](*arguments, value)))
                for i, a in enumerate(arguments)
                if _reads(a, wanted)
            ]


def _descend_power(
    part: sympy.Pow, value: Expr, route: _Route, wanted: Collection[str]
) -> list[tuple[Expr, Expr, _Route]]:
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
    stack = [part]
    while stack:
        current = stack.pop()
        if isinstance(current, (sympy.Symbol, sympy.Indexed)):
            if name_of(current) in wanted:
                return True
        else:
            stack.extend(current.args)
    return False


def _is_quotient(product: sympy.Mul, wanted: Collection[str]) -> bool:
    return any(
        isinstance(f, sympy.Pow) and isinstance(f.exp, sympy.Integer) and f.exp < 0 and _reads(f, wanted)
        for f in product.args
    )


def _cases(distinction: sympy.Piecewise, wanted: Collection[str]) -> dict[str, Expr]:
    """For each parent the derivatives of the branches, case by case; conditions are constants, as in torch."""
    branches = [(partials(branch, branch, wanted), condition) for branch, condition in distinction.args]
    cases_of: dict[str, Expr] = {}
    for name in dict.fromkeys(name for found, _ in branches for name in found):
        pairs = [(found[name].expression if name in found else ZERO, condition) for found, condition in branches]
        equal = len({expression for expression, _ in pairs}) == 1
        cases_of[name] = pairs[0][0] if equal else cases(*pairs)
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
