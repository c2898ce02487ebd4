"""The losses of many epochs: like a tuple, but Python's own numbers are made of them only when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload


class Losses(Sequence[float]):
    """Losses, in order.

    Args:
        values: the first of them.
    """

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._parts: list[Sequence[float]] = []  # lists of Python's numbers, and arrays that nobody writes to
        self._length = 0
        for value in values:
            self.append(value)

    def append(self, loss: float) -> None:
        """One more."""
        if not self._parts or not isinstance(self._parts[-1], list):
            self._parts.append([])
        self._parts[-1].append(loss)  # type: ignore[attr-defined]  # it is a list
        self._length += 1

    def extend(self, losses: Any) -> None:
        """Many more, of an array of NumPy's."""
        if len(losses):
            self._parts.append(losses.copy())
            self._length += len(losses)

    def copy(self) -> Losses:
        """The same losses, nobody else's."""
        made = Losses()
        made._parts = [part[:] for part in self._parts]
        made._length = self._length
        return made

    @property
    def _values(self) -> list[float]:
        """All of them in one list, which replaces the parts; what it held already is not copied again."""
        if len(self._parts) != 1 or not isinstance(self._parts[0], list):
            first = self._parts[0] if self._parts else None
            whole: list[float] = first if isinstance(first, list) else []
            for part in self._parts[first is whole :]:
                whole += part if isinstance(part, list) else part.tolist()  # type: ignore[attr-defined]  # an array
            self._parts = [whole]
        return self._parts[0]  # type: ignore[return-value]  # a list

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[float]:
        return iter(self._values)

    @overload
    def __getitem__(self, position: int) -> float: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[float, ...]: ...

    def __getitem__(self, position: int | slice) -> float | tuple[float, ...]:
        return tuple(self._values[position]) if isinstance(position, slice) else self._values[position]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Losses):
            return self._values == other._values
        return tuple(self._values) == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._values))

    def __repr__(self) -> str:
        return repr(tuple(self._values))
