"""From Python, an argument of the wrong kind is an error that says what is wanted, and no accident further down."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import symgrad as sg

TEXT = "l = x**2"
GRAPH = sg.read(TEXT)
DERIVATION = sg.derive(GRAPH)

CALLS: list[tuple[Callable[[], object], str]] = [
    (lambda: sg.read(3), "read takes text, such as .*; this is a int"),
    (lambda: sg.read(None), "this is a NoneType"),
    (lambda: sg.derive(TEXT), "derive takes a graph, as read.* gives one; this is a str"),
    (lambda: sg.derive(DERIVATION), "this is a Derivation"),
    (lambda: sg.derive(GRAPH, [3]), "cannot differentiate by 3"),
    (lambda: sg.compile(TEXT), "compile takes a derivation, as derive.* gives one; this is a str"),
    (lambda: sg.compile(GRAPH), "this is a Graph"),
    (lambda: sg.compile(DERIVATION, backend=None), "there is no backend None"),
    (lambda: sg.compile(DERIVATION, dtype=None), "there is no dtype None"),
    (lambda: sg.compile(DERIVATION)({"x": "1"}), "gives 'x' the value '1', which is not a number"),
    (lambda: sg.compile(DERIVATION)({1: 1.0}), "the point names 1, which is not in the graph"),
    (lambda: sg.compile(DERIVATION)({"x": 1.0, "l": 1.0}), "the point names 'l', which is computed from 'x'"),
    (lambda: sg.render(TEXT), "render prints what .* return; this is a str"),
    (lambda: sg.check(TEXT, "x", "2*x"), "check takes a derivation"),
    (lambda: sg.verify(TEXT), "verify takes a derivation"),
    (lambda: sg.verify(DERIVATION, 3), "at is 3; a point gives values by name"),
    (lambda: sg.verify(DERIVATION, [{"x": 1.0}, 3]), "a point gives values by name"),
    (lambda: sg.verify(DERIVATION, {"x": "1"}), "which is not a number"),
    *(
        (lambda count=count: sg.verify(DERIVATION, random=count), "how many points")
        for count in (0, -1, 1.5, True, "3")
    ),
]


@pytest.mark.parametrize(("call", "words"), CALLS)
def test_an_argument_of_the_wrong_kind_is_named(call: Callable[[], object], words: str) -> None:
    """Text where a graph is wanted, a graph where a derivation is, a text where a number is."""
    with pytest.raises(sg.SymgradError, match=words):
        call()


def test_the_right_kinds_are_not_refused() -> None:
    """The same calls with what they want."""
    assert sg.verify(DERIVATION, ({"x": 1.0}, {"x": 2.0}), random=3).passed
    assert sg.compile(DERIVATION)({"x": True}).value == 1.0
    assert sg.render(sg.check(DERIVATION, "x", "2*x"), "text") == "Yes."
