"""Names in a program's text: generated ones in what is executed, the user's where they are safe in what is shown."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

import sympy

from symgrad.backends.straight import Lowered, Statement
from symgrad.core.names import fresh

RESERVED = frozenset(
    {*dir(builtins), *keyword.kwlist, *keyword.softkwlist}
    | {"device", "gradient", "numpy", "part", "real", "rows", "scipy", "start", "torch"}
)
"""Names that the text itself uses, or that mean something in Python."""

_SAFE = re.compile("[A-Za-z][A-Za-z0-9_]*")

Names = dict[sympy.Symbol, str]


def generated_names(program: Lowered) -> Names:
    """`v0`, `v1`, … for whatever is assigned; nothing else is ever executed."""
    return {target: f"v{position}" for position, target in enumerate(_targets(program))}


def shown_names(program: Lowered) -> Names:
    """The user's names where they are plain ASCII identifiers, with a number where they clash; else generated ones."""
    inputs = {stand_in: leaf for leaf, stand_in in program.inputs if _SAFE.fullmatch(leaf)}
    labels = {s.target: s.label for s in _statements(program) if _SAFE.fullmatch(s.label)}
    names: Names = {}
    taken = set(RESERVED)

    def give(target: sympy.Symbol, name: str) -> None:
        names[target] = name
        taken.update({name, in_block(name)} if target in inputs else {name})

    for target, name in (inputs | labels).items():
        if not taken & {name, in_block(name)}:
            give(target, name)
    for target, name in (inputs | labels).items():
        if target not in names:
            give(target, fresh(name, taken))
    count = 0
    for target in _targets(program):
        while target not in names:
            count += 1
            if f"v{count}" not in taken:
                give(target, f"v{count}")
    return names


def comment(labels: Iterable[str]) -> str:
    """The user's names as a comment."""
    return f"  # {', '.join(label if label.isidentifier() else ascii(label) for label in labels)}"


def in_block(name: str) -> str:
    """The name of an input's rows in one block."""
    return f"{name}_rows"


def _targets(program: Lowered) -> list[sympy.Symbol]:
    return [stand_in for _, stand_in in program.inputs] + [statement.target for statement in _statements(program)]


def _statements(program: Lowered) -> tuple[Statement, ...]:
    return (*program.constants, *program.statements)
