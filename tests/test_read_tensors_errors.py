"""What the reader of tensors refuses: each mistake with its own words, at its own place."""

from __future__ import annotations

import random
import warnings
from typing import Any

import pytest

import symgrad as sg
from symgrad.core.graph import Graph
from symgrad.errors import ReadError, SymgradWarning

W = ("h", "d")


def read(text: str, shapes: Any = None) -> Graph:
    """A graph, with the warning about unused definitions put aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SymgradWarning)
        return sg.read(text, shapes)


# errors


@pytest.mark.parametrize(
    ("text", "shapes", "message", "marked"),
    [
        ("z = W@x", {"W": W, "x": ("k",)}, "W has shape (h, d), but x has shape (k,): the axes d and k differ.", "W@x"),
        (
            "z = x@W",
            {"W": W, "x": ("d",)},
            "x has shape (d,), but W has shape (h, d): the axes d and h differ. x @ W.T would fit.",
            "x@W",
        ),
        (
            "z = A@x",
            {"A": (2, 3), "x": (2,)},
            "A has shape (2, 3), but x has shape (2,): the axes 3 and 2 differ. A.T @ x would fit.",
            "A@x",
        ),
        (
            "z = A@B",
            {"A": (2, 5), "B": (3, 2)},
            "A has shape (2, 5), but B has shape (3, 2): the axes 5 and 3 differ. B @ A would fit.",
            "A@B",
        ),
        (
            "z = tanh(x)*A",
            {"x": (3,), "A": (2, 4)},
            "tanh(x) has shape (3,), but A has shape (2, 4): the axes 3 and 4 differ.",
            "tanh(x)*A",
        ),
        (
            "z[i] = W[i,j]*x[i]",
            {"W": W, "x": ("d",)},
            "W has shape (h, d), but x has shape (d,): the axes h and d differ. The index i runs over both.",
            "x[i]",
        ),
        (
            "z: (k,); z[i] = W[i,j]",
            {"W": W},
            "z has shape (k,), but W has shape (h, d): the axes k and h differ. The index i runs over both.",
            "W[i,j]",
        ),
        ("z = W@x", {"x": ("d",)}, "'@' works on tensors, and W has no axes; declare its shape, as in W: (n, d).", "W"),
        ("z = 2@x", {"x": ("d",)}, "'@' works on tensors, but 2 is a scalar.", "2"),
        ("L = sum(x)", {}, "sum works on tensors, and x has no axes; declare its shape, as in x: (n,).", "x"),
        ("L = x.T", {}, ".T works on tensors, and x has no axes; declare its shape, as in x: (n, d).", "x"),
        ("L = y + sum(W[i])", {"W": W}, "W has 2 axes, (h, d), but here is 1 subscript.", "W[i]"),
        ("L = W[i,j,k]", {"W": W}, "W has 2 axes, (h, d), but here are 3 subscripts.", "W[i,j,k]"),
        (
            "z[i] = x[i]*i",
            {},
            "'i' is an index here, not a number. An index has a value only where it is compared, as in "
            "where(i == j, 1, 0).",
            "i",
        ),
        ("z[i,i] = x[i]", {}, "the index 'i' stands on the left twice; give each axis its own.", "i"),
        ("z[1] = x[0]", {}, "on the left stand indices, as in z[i] = ….", "1"),
        ("o[i] = 3", {}, "nothing tells the size of the index 'i'; declare o: (…).", "o[i] = 3"),
        (
            "L = sum(where(i == j, 1, 0)*x[k], i, j, k)",
            {},
            "nothing tells the size of the index 'i'; use it in a subscript.",
            "i",
        ),
        (
            "o[i] = x",
            {"x": ("n",), "o": ("n",)},
            "beside its indices this has axes, of shape (n,); in index notation give each axis an index.",
            "x",
        ),
        (
            "L = sum(x[i] + y, i)",
            {"y": (3,)},
            "(x[i] + y) has shape (3,); in index notation give each axis an index.",
            "x[i] + y",
        ),
        ("L = sum(x[i], j)", {}, "the index 'j' does not stand in what sum takes.", "j"),
        ("L = sum(x[i], i, axis=0)", {}, "sum over indices takes no keyword arguments.", "sum(x[i], i, axis=0)"),
        ("L = sum(A[i,j], i, i)", {}, "sum has an index twice.", "sum(A[i,j], i, i)"),
        (
            "L = sum(x, axes=0)",
            {"x": (3,)},
            "sum has no keyword 'axes'; it takes axis and keepdims. Did you mean 'axis'?",
            "axes=0",
        ),
        ("L = var(x, ddof=1)", {"x": (3,)}, "var has no keyword 'ddof'; it takes axis and keepdims.", "ddof=1"),
        (
            "L = sum(x, dim=0, axis=0)",
            {"x": (3,)},
            "sum takes each keyword once; it takes axis and keepdims.",
            "axis=0",
        ),
        (
            "L = softmax(x, keepdims=True)",
            {"x": (3,)},
            "softmax has no keyword 'keepdims'; it takes axis.",
            "keepdims=True",
        ),
        ("L = sum(x, keepdims=1)", {"x": (3,)}, "keepdims is True or False.", "1"),
        ("L = sum(x, axis=1)", {"x": (3,)}, "there is no axis 1: x has shape (3,). Its only axis is 0.", "1"),
        ("L = sum(A, axis=-3)", {"A": (3, 4)}, "there is no axis -3: A has shape (3, 4). Its axes are 0 to 1.", "-3"),
        ("L = sum(A, axis=(0, -2))", {"A": (3, 4)}, "here is an axis twice.", "(0, -2)"),
        ("L = sum(A, axis=m)", {"A": (3, 4)}, "an axis is a whole number, or several in parentheses.", "m"),
        ("L = sum(A, 0, 1)", {"A": (3, 4)}, "sum takes a tensor and an axis, here are 3 arguments.", "sum(A, 0, 1)"),
        ("n = 3; L = sum(x)", {"x": ("n",)}, "'n' is the size of an axis of x; give this node a name of its own.", "n"),
        ("x: (n,); n: (); L = sum(x)", {}, "'n' is the size of an axis of x; give this node a name of its own.", "n"),
        ("L = n[i]*x[i]", {"x": ("n",)}, "'n' is the size of an axis of x, not a tensor.", "n"),
        ("x: (n,); x: (m,); L = sum(x)", {}, "x has shape (n,) already, which differs from (m,).", "x"),
        ("x: n; L = sum(x)", {}, "a shape stands in parentheses, with a comma if it has one size: x: (n,).", "n"),
        ("x: (n, 0); L = sum(x)", {}, "a size is a name or a whole number from 1.", "0"),
        (
            "x: (n,) = 3",
            {},
            "a declaration is a name and its shape, as in W: (h, d); define it on a line of its own.",
            "x: (n,) = 3",
        ),
        ("z: (k,); z = W@x", {"W": W, "x": ("d",)}, "z is declared (k,), but its definition has shape (h,).", "W@x"),
        ("z: (k,); z[i,j] = W[i,j]", {}, "z is declared (k,), but here it has 2 indices.", "z[i,j]"),
        ("L = inv(A)", {"A": (2, 3)}, "inv needs a square matrix, but A has shape (2, 3).", "inv(A)"),
        ("L = det(x)", {"x": ("n",)}, "det takes a matrix, but x has shape (n,).", "det(x)"),
        (
            "L = solve(A, x)",
            {"A": (3, 3), "x": (2,)},
            "A has shape (3, 3), but x has shape (2,): the axes 3 and 2 differ.",
            "solve(A, x)",
        ),
        ("L = diag(U)", {"U": (2, 3, 3)}, "diag takes a vector or a matrix, but U has shape (2, 3, 3).", "diag(U)"),
        (
            "L = transpose(A, (0, 0))",
            {"A": (2, 3)},
            "transpose needs each axis of A once, from 0 to 1; its shape is (2, 3).",
            "transpose(A, (0, 0))",
        ),
        ("L = dot(x)", {"x": (3,)}, "dot takes 2 arguments, here are 1.", "dot(x)"),
        ("L = dot(x, x, axis=0)", {"x": (3,)}, "dot takes no keyword arguments here.", "dot(x, x, axis=0)"),
        ("L = x[3]", {"x": (3,)}, "x has shape (3,): there is no entry 3 on that axis.", "x[3]"),
        ("L = x[-1]", {"x": ("n",)}, "counting from the end needs a size in numbers, but x has shape (n,).", "x[-1]"),
        ("L = x[1:2]", {"x": (3,)}, "a slice takes the whole axis, ':'.", "1:2"),
        (
            "L = x[0.5]",
            {"x": (3,)},
            "a subscript is an index, a whole number, ':' or an entry of a leaf of integers.",
            "0.5",
        ),
        (
            "t = 2*u; L = x[t]",
            {"x": (3,), "u": (2,)},
            "t is computed; only a leaf of integers can select entries.",
            "t",
        ),
        (
            "L = P[arange(m), t]",
            {"P": ("n", "c"), "t": ("n",)},
            "arange takes the size of the axis, but P has shape (n, c).",
            "m",
        ),
        (
            "L = select(P, t)",
            {"P": ("n", "c"), "t": (2, 2)},
            "select takes one whole number for each row, but P has shape (n, c) and t has shape (2, 2).",
            "select(P, t)",
        ),
        (
            "L = U[t, :, t]",
            {"U": (2, 3, 3), "t": (2,)},
            "arrays that select stand side by side here. Write it in index notation, as in P[b, t[b]].",
            "U[t, :, t]",
        ),
        ("L = log(p[t])", {"t": (3,)}, "p has no shape yet; declare it, as in p: (n, d).", "p"),
        (
            "i = 2; z[i] = x[i]",
            {},
            "'i' is an index here, and a node elsewhere; give the index a letter of its own.",
            "i",
        ),
        (
            "z = x[i]*y[i]; i = 2",
            {},
            "'i' is an index here, and a node elsewhere; give the index a letter of its own.",
            "i",
        ),
        (
            "z[i] = x[i]; L = sum(z)*i",
            {},
            "'i' is an index above, and a node here; give one of them another name.",
            "L = sum(z)*i",
        ),
        ("L = z[i]; z[i] = x[i]", {}, "'z' is used before its definition; move the definition up.", "z"),
        ("L = None*x", {"x": (3,)}, "only decimal numbers are read here.", "None"),
        ("L = sum(y)", {"x": (3,)}, "shapes has 'x', which the text does not use.", ""),
        ("L = sum(alpha)", {"alpa": (3,)}, "shapes has 'alpa', which the text does not use. Did you mean 'alpha'?", ""),
        ("L = sum(x)", {"x": (0,)}, "the shape of 'x' has the size 0; a size is a name or a whole number from 1.", ""),
        ("L = sum(x)", {"x": "n"}, "the shape of 'x' is 'n'; a shape is a tuple, as in ('n',).", ""),
        (
            "L = sum(x)",
            {"x": ("a b",)},
            "the shape of 'x' has the size 'a b': a name is made of letters, digits and underscores.",
            "",
        ),
    ],
)  # fmt: skip
def test_errors(text: str, shapes: Any, message: str, marked: str) -> None:
    """Each mistake is told where it stands, with the shapes and one way out."""
    with pytest.raises(ReadError) as caught:
        sg.read(text, shapes)
    error = caught.value
    assert error.message == message
    assert text[error.position : error.position + error.length].startswith(marked)
    assert not marked or error.length == len(marked)


def refusal_of(text: str) -> ReadError | None:
    """The error a text is refused with, or None if it is read."""
    try:
        read(text)
    except ReadError as error:
        return error
    return None


def test_broken_texts_are_refused_politely() -> None:
    """Texts with something cut, doubled or exchanged are read, or refused at a place inside them."""
    choose = random.Random(0)
    sources = [
        "Q[h,i,c] = X[i,d]*Wq[h,d,c]\nA[h,i,j] = softmax(Q[h,i,c]*Q[h,j,c], j)\nL = A[h,i,i]**2",
        "X: (n, d)\nP = softmax(X @ W + b)\nL = -mean(log(P[arange(n), t]))",
        "L = sum(x[i]*y[i], i)",
    ]
    pieces = ["[", "]", "(", ")", ",", ":", "i", "@", ".T", "axis=0", "0", "None", "...", "==", "n", "max(", "\n", "=="]
    for _ in range(400):
        text = choose.choice(sources)
        at = choose.randrange(len(text))
        cut = choose.choice([0, 0, 1, 3])
        text = text[:at] + choose.choice(["", *pieces]) + text[at + cut :]
        refusal = refusal_of(text)
        if refusal is not None:
            assert 0 <= refusal.position <= len(text)
            assert refusal.message.partition(". ")[0].rstrip(".") in str(refusal)
