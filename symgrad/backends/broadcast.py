"""Arrays with named axes, and the operations on them that a line is made of.

Whatever stands in a line is a `Ref`: an array of the program, and the line's index along each of its axes. Operations
align axes by name, so that the arrays broadcast; each is recorded once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import sympy

from symgrad.backends.arrays import NEW_AXIS, Diagonal, Finite, Full, Take, reduced, view, whole
from symgrad.backends.contract import Ref, contract
from symgrad.backends.fused import Exponentials, affine, scattered
from symgrad.backends.straight import Recorder
from symgrad.core.expression import ONE, Expr, add, mul, negative, power, rebuild, symbol
from symgrad.core.indices import Index


@dataclass
class Broadcast:
    """Records operations on arrays whose axes are indices of one line.

    Args:
        fused: whether the backend has single calls for logsumexp and for the patterns of `fused`.
        record: gives each operation its symbol.
        order: which of two axes of a result should stand first, in the line at hand.
    """

    fused: bool
    record: Recorder = field(default_factory=Recorder)
    order: dict[Index, int] = field(default_factory=dict)
    done: dict[Hashable, tuple[Expr, tuple[int, ...]]] = field(default_factory=dict)
    exponentials: dict[tuple[Expr, Expr], Exponentials] = field(default_factory=dict)

    def operation(self, operation: Expr) -> Expr:
        """The symbol of an operation on symbols and numbers, new or known."""
        return self.record.operation(operation)

    def joined(self, refs: Sequence[Ref]) -> tuple[Index, ...]:
        """The axes of a result: the largest operand's order if it has them all, else the line's."""
        if not any(ref.axes for ref in refs):
            return ()
        every = dict.fromkeys(i for ref in refs for i in ref.axes)
        in_order = tuple(sorted(every, key=lambda i: self.order.get(i, len(self.order))))
        if any(ref.axes == in_order for ref in refs):
            return in_order
        return next((ref.axes for ref in refs if len(ref.axes) == len(every)), in_order)

    def aligned(self, ref: Ref, axes: tuple[Index, ...]) -> Expr:
        """The array with new axes where it lacks some, so that it broadcasts to `axes`."""
        if not ref.axes or ref.axes == axes[len(axes) - len(ref.axes) :]:
            return ref.array
        return view(ref.array, tuple(ref.axes.index(i) if i in ref.axes else NEW_AXIS for i in axes))

    # entry by entry

    def once(self, kind: Hashable, operands: Sequence[Ref], make: Callable[[], Ref]) -> Ref:
        """What an operation makes, or what it made in another line that names and orders the axes differently."""
        numbers: dict[Index, int] = {}
        places = tuple((o.array, tuple(numbers.setdefault(i, len(numbers)) for i in o.axes)) for o in operands)
        if (kind, places) not in self.done:
            made = make()
            self.done[kind, places] = (made.array, tuple(numbers[i] for i in made.axes))
            return made
        array, order = self.done[kind, places]
        axes = list(numbers)
        return Ref(array, tuple(axes[place] for place in order))

    def elementwise(self, expression: Expr, arguments: Sequence[Ref]) -> Ref:
        """The expression's operation on whole arrays, broadcast."""

        def made() -> Ref:
            axes = self.joined(arguments)
            aligned = tuple(self.aligned(argument, axes) for argument in arguments)
            return Ref(self.operation(rebuild(expression, aligned)), axes)

        return self.once(expression.func, arguments, made)

    def negated(self, ref: Ref) -> Ref:
        """The negative, its sign outermost, where a sum can take it in."""
        return Ref(self.operation(negative(ref.array)), ref.axes)

    def multiplied(self, factors: Sequence[Ref]) -> Ref:
        """The elementwise product, small operands first."""
        ordered = sorted((f for f in factors if f.array != ONE), key=lambda f: len(f.axes))
        if not ordered:
            return Ref(ONE)

        def made() -> Ref:
            axes = self.joined(ordered)
            return Ref(self.operation(mul(*(self.aligned(f, axes) for f in ordered))), axes)

        return self.once("product", ordered, made)

    def divided(self, ref: Ref, divisors: Sequence[Ref]) -> Ref:
        """The array divided by each of the others."""
        if not divisors:
            return ref

        def made() -> Ref:
            axes = self.joined([ref, *divisors])
            below = [power(self.aligned(d, axes), -1) for d in divisors]
            above = self.aligned(ref, axes)
            return Ref(self.operation(mul(*([] if above == ONE else [above]), *below)), axes)

        return self.once("quotient", [ref, *divisors], made)

    def added(self, terms: Sequence[tuple[Ref, bool]]) -> Ref:
        """The sum of arrays, some of them negative; signs stay outside what has to be aligned."""

        def made() -> Ref:
            axes = self.joined([ref for ref, _ in terms])
            if self.fused:
                for pattern in (affine, scattered):
                    if (one_call := pattern(terms, axes, self.record)) is not None:
                        return Ref(one_call, axes)
            aligned = [(self.aligned(ref, axes), minus) for ref, minus in terms]
            signed = [self.operation(negative(array)) if minus else array for array, minus in aligned]
            return Ref(self.operation(add(*signed)), axes)

        return self.once(tuple(minus for _, minus in terms), [ref for ref, _ in terms], made)

    # entries

    def at(self, array: Expr, labels: list[Expr]) -> Ref:
        """An array whose subscripts are indices and numbers; fixed and repeated ones go."""
        while (fixed := next((axis for axis, label in enumerate(labels) if label.is_Integer), None)) is not None:
            array = self.operation(Take(array, sympy.Integer(fixed), labels[fixed]))
            labels = [*labels[:fixed], *labels[fixed + 1 :]]
        while (twice := _first_repeated(labels)) is not None:
            array = self.operation(Diagonal(array, *whole(twice)))
            label = labels[twice[0]]
            labels = [*(label for axis, label in enumerate(labels) if axis not in twice), label]
        return Ref(array, tuple(labels))

    # reductions

    def contracted(self, factors: Sequence[Ref], summed: Sequence[Index]) -> Ref:
        """Σ of a product of arrays."""
        return contract(factors, summed, self.order, self.multiplied, self.operation)

    def reduced(self, ref: Ref, kind: str, indices: Sequence[Index]) -> Ref:
        """A reduction over some of an array's axes."""
        made = reduced(ref.array, kind, (ref.axes.index(i) for i in indices), len(ref.axes))
        return Ref(self.operation(made), tuple(i for i in ref.axes if i not in indices))

    def filled(self, ref: Ref, missing: Sequence[Index], shape: Sequence[Expr]) -> Ref:
        """The array with leading axes that it lacked, its entries repeated along them."""
        return Ref(self.operation(Full(ref.array, sympy.Tuple(*shape))), (*missing, *ref.axes))

    def logsumexp(self, ref: Ref, indices: Sequence[Index]) -> Ref:
        """Log Σ exp without overflow: the largest entry is taken out where it is finite."""
        if self.fused:
            return self.reduced(ref, "logsumexp", indices)
        largest = self.reduced(ref, "max", indices)
        shift = Ref(self.operation(Finite(largest.array, largest.array)), largest.axes)
        below = self.added([(ref, False), (shift, True)])
        raised = self.elementwise(sympy.exp(symbol("_"), evaluate=False), [below])
        total = self.reduced(raised, "sum", indices)
        logarithm = self.elementwise(sympy.log(symbol("_"), evaluate=False), [total])
        made = self.added([(shift, False), (logarithm, False)])
        subtracted, divisor = (self.aligned(part, ref.axes) for part in (made, total))
        self.exponentials[ref.array, subtracted] = Exponentials(self.aligned(raised, ref.axes), divisor)
        return made


def _first_repeated(labels: Sequence[Expr]) -> tuple[int, int] | None:
    """Two axes with the same subscript."""
    for second, label in enumerate(labels):
        if label in labels[:second]:
            return labels.index(label), second
    return None
