"""Hypothesis strategies: random scalar models, as text.

A model has a few leaves and several definitions. A definition applies smooth functions to earlier names, which may be
read again and again, so forks, shared nodes and parents read twice are the rule, not the exception.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

LEAVES = ("x", "w", "y_hat", "gamma")

UNARY = ("exp", "sin", "cos", "tanh", "sigmoid", "softplus", "atan", "erf", "asinh", "expm1", "silu", "gelu", "mish")
"""Smooth on the whole line and of moderate size there."""

GUARDED = (
    "log(1 + {0}**2)",
    "sqrt(2 + sin({0}))",
    "1/(1 + {0}**2)",
    "log1p({0}**2)",
    "hypot({0}, 1 + {0}**2)",
    "atan2({0}, 2 + cos({0}))",
    "(1 + {0}**2)**1.5",
    "2**tanh({0})",
    "(2 + cos({0}))**sin({0})",
)
"""Functions with a smaller domain, fed from inside it."""

BINARY = (
    "{0} + {1}",
    "{0} - {1}",
    "{0}*{1}",
    "{0}*{0} - {1}",
    "{0}/(3 + sin({1}))",
    "({0} - {1})**2",
    "-{0}*{1} + {0}",
)

INEXACT = "1e-1"
"""The one decimal that no double holds exactly."""

NUMBERS = ("2", "0.5", "3", INEXACT, "pi", "1/3")


@dataclass(frozen=True)
class Model:
    """A random model: definitions in order, the last one the output."""

    leaves: tuple[str, ...]
    definitions: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """As a user writes it."""
        return "\n".join(f"{name} = {body}" for name, body in self.definitions)

    @property
    def names(self) -> tuple[str, ...]:
        """Leaves and definitions."""
        return (*self.leaves, *(name for name, _ in self.definitions))


@st.composite
def bodies(draw: st.DrawFn, names: tuple[str, ...]) -> str:
    """A right-hand side over `names`: one to three operations."""
    name = st.sampled_from(names)

    def unary() -> str:
        # tanh keeps what grows within bounds
        return f"{draw(st.sampled_from(UNARY))}(tanh({draw(name)}))"

    def binary() -> str:
        return f"({draw(st.sampled_from(BINARY)).format(draw(name), draw(name))})"

    def guarded() -> str:
        return draw(st.sampled_from(GUARDED)).format(draw(name))

    def linear() -> str:
        return f"{draw(st.sampled_from(NUMBERS))}*{draw(name)}"

    kinds = (unary, binary, guarded, linear)
    parts = [draw(st.sampled_from(kinds))() for _ in range(draw(st.integers(1, 3)))]
    return draw(st.sampled_from((" + ", " - ", "*"))).join(parts)


@st.composite
def models(draw: st.DrawFn, max_definitions: int = 5) -> Model:
    """A model in which every definition reaches the output."""
    leaves = LEAVES[: draw(st.integers(1, len(LEAVES)))]
    names, definitions = leaves, []
    for number in range(draw(st.integers(1, max_definitions))):
        definitions.append((f"n{number}", draw(bodies(names))))
        names = (*names, f"n{number}")
    # what no definition reads so far is read by the output, so that nothing is stranded
    read = " ".join(body for _, body in definitions)
    loose = [name for name in names if name not in _words(read)]
    used = [name for name in loose if name not in leaves]
    definitions.append(
        ("L", " + ".join(f"tanh({name})" for name in dict.fromkeys([*used, draw(st.sampled_from(names))])))
    )
    text = " ".join(body for _, body in definitions)
    return Model(tuple(leaf for leaf in leaves if leaf in _words(text)), tuple(definitions))


def _words(text: str) -> set[str]:
    return set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())


def mutations(text: str) -> st.SearchStrategy[str]:
    """`text` with a piece cut out, doubled, or something foreign put in."""
    position = st.integers(0, len(text))
    foreign = st.one_of(
        st.sampled_from([*"()[]{}=;:,.+-*/^@#%&|~!<>'\"\\\n\t\x00 _²−·√", "**", "lambda", "if", "exp(", "1e999", "'"]),
        st.text(max_size=3),
    )

    def cut(ends: tuple[int, int]) -> str:
        first, last = sorted(ends)
        return text[:first] + text[last:]

    def double(ends: tuple[int, int]) -> str:
        first, last = sorted(ends)
        return text[:last] + text[first:]

    def insert(where: tuple[int, str]) -> str:
        return text[: where[0]] + where[1] + text[where[0] :]

    pairs = st.tuples(position, position)
    return st.one_of(pairs.map(cut), pairs.map(double), st.tuples(position, foreign).map(insert))
