"""What a directive or a role asks for, and where it was wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from symgrad.errors import DataError, ReadError, SymgradError

Verify = Literal["", "line", "table"]


@dataclass(frozen=True)
class Request:
    r"""A derivation to show.

    Args:
        source: the definitions, in the text grammar.
        output: the node to differentiate; the last definition where it is empty.
        wrt: names to differentiate by; every leaf where there are none.
        at: values by name, as texts: `x=3, W=[[1, 0], [0, 1]]`; no point where it is empty.
        arrays: what the files of arrays hold that `at` names, as digests.
        detail: `answer`, `chain`, `steps` or `elementary`.
        notation: `auto`, `partial` or `total`.
        names: how to print names, in LaTeX: `y_pred=\hat{y}`.
        indices: whether tensors print in index notation throughout.
        verify: how to show a verification; not at all where it is empty.
        graph: whether to draw the graph.
        highlight: the node whose paths to the output stand out in it.
        blanks: whether it is a worksheet, with blanks to fill in.
        solutions: whether the key to the worksheet is shown.
    """

    source: str
    output: str = ""
    wrt: tuple[str, ...] = ()
    at: str = ""
    arrays: tuple[str, ...] = ()
    detail: str = "steps"
    notation: str = "auto"
    names: str = ""
    indices: bool = False
    verify: Verify = ""
    graph: bool = False
    highlight: str = ""
    blanks: bool = False
    solutions: bool = False


@dataclass(frozen=True)
class Printed:
    """What a request comes to, in every format; nothing but texts, so that it can be kept.

    Args:
        html: HTML with MathML.
        pieces: HTML with LaTeX, a kind (`html`, `inline`, `display`) and a text each.
        latex: LaTeX for amsmath.
        text: plain Unicode.
        title: what it is, in a few words.
        picture: the graph as SVG; empty where it is not drawn.
        drawing: the same for LaTeX; empty, too, where it is too large for a page.
        described: the same in words.
        warnings: a subtype and a message each.
    """

    html: str
    pieces: tuple[tuple[str, str], ...]
    latex: str
    text: str
    title: str
    picture: str = ""
    drawing: str = ""
    described: str = ""
    warnings: tuple[tuple[str, str], ...] = field(default=())


class Mistake(Exception):  # noqa: N818  it is the author's, and becomes a docutils error
    """Input that is wrong.

    Args:
        message: what is wrong, what was expected and one way out.
        place: the option that holds it; `content` for the definitions.
        line: of the definitions, from 1.
        excerpt: the offending line, and a caret below it.
    """

    def __init__(self, message: str, place: str, line: int = 1, excerpt: str = "") -> None:
        super().__init__(message)
        self.message, self.place, self.line, self.excerpt = message, place, line, excerpt


@contextmanager
def blaming(place: str, source: str | None = None) -> Iterator[None]:
    """Whatever symgrad refuses within is a mistake in `place`; in `source`, at the line it names."""
    try:
        yield
    except SymgradError as error:
        if isinstance(error, ReadError) and error.source:
            _, _, excerpt = str(error).partition("\n")
            line = error.line if error.source == source else 1
            raise Mistake(error.message, place, line, excerpt) from None
        raise Mistake(str(error), place) from None


_NAME = re.compile(r"\s*([^\W\d]\w*)\s*=\s*(\S.*?)\s*", re.DOTALL)
_MACRO = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
_MACROS = frozenset(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho
    sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell
    hbar imath jmath partial nabla infty prime star ast dagger circ bullet pm mp cdot top bot perp parallel
    hat widehat bar overline tilde widetilde dot ddot vec check breve acute grave underline
    mathrm mathbf mathit mathsf mathtt mathcal mathbb mathfrak boldsymbol text operatorname
    , ; ! _ { } |""".split()  # noqa: SIM905
)
"""What may stand after a backslash in a name: letters, signs, accents, fonts, spaces."""


def latex_names(text: str) -> Mapping[str, str]:
    r"""`y_pred=\hat{y}, w=\omega`, one a line or with commas between, each checked.

    Raises:
        DataError: if a part is no assignment, or its LaTeX is more than letters, accents, fonts and subscripts.
    """
    found: dict[str, str] = {}
    for part in _parts(text):
        match = _NAME.fullmatch(part)
        if match is None:
            raise DataError(rf"expected NAME=LATEX, such as y_pred=\hat{{y}}; {part.strip()!r} is not that.")
        name, latex = match[1], match[2]
        if name in found:
            raise DataError(f"{name!r} is given twice.")
        unknown = next((m[0] for m in _MACRO.finditer(latex) if m[1] not in _MACROS), None)
        if unknown is not None:
            raise DataError(rf"{name} = {latex}: {unknown} is no part of a name; use accents such as \hat, or letters.")
        if re.search(r"[$%#&~`<>\"\n]|\^\^", latex) or not _balanced(latex):
            raise DataError(f"{name} = {latex} is not the LaTeX of a name; use letters, accents and balanced braces.")
        found[name] = latex
    return found


def _parts(text: str) -> list[str]:
    """At line ends, and at commas outside braces."""
    parts, depth = [""], 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "\n" or (character == "," and depth == 0 and not parts[-1].endswith("\\")):
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


def _balanced(latex: str) -> bool:
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", latex):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0
