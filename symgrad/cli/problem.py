"""What there is to train, as a command is told it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from symgrad.errors import DataError

if TYPE_CHECKING:
    from symgrad.core.derivation import Derivation
    from symgrad.core.graph import Graph


@dataclass(frozen=True)
class Problem:
    """A loss with everything that training it needs but the manner of it.

    Args:
        derivation: by what is trained.
        data: columns, and single values, by leaf.
        start: the start of what is trained, values or rules, and further constants.
    """

    derivation: Derivation
    data: dict[str, Any]
    start: dict[str, Any]

    @property
    def constants(self) -> dict[str, Any]:
        """The values in `start` that are not trained."""
        return {name: value for name, value in self.start.items() if name not in self.derivation.wrt}


def problem_of(graph: Graph, wrt: list[str] | None, data: tuple[str, ...], init: tuple[str, ...]) -> Problem:
    """The problem that `--wrt`, `--data` and `--init` make of a loss.

    Args:
        graph: the loss.
        wrt: what is trained; where it is None, the leaves that have a start and no data.
        data: texts of `--data`.
        init: texts of `--init`.

    Raises:
        DataError: if nothing is trained, or a text is no value.
    """
    from symgrad.calculus import derive
    from symgrad.cli.columns import columns
    from symgrad.readers.values import values
    from symgrad.training.initial import RULES

    start: dict[str, Any] = values(init, "--init", RULES)
    table = columns(data, graph.leaves)
    trained = wrt if wrt is not None else [leaf for leaf in graph.leaves if leaf in start and leaf not in table]
    if not trained:
        raise DataError("nothing to train: name the trained leaves with --wrt and give them a start with --init.")
    return Problem(derive(graph, trained), table, start)
