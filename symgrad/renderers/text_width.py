"""How wide a text will be, without a font at hand: a table of character widths, on the generous side.

A picture names system fonts only, so nobody knows which one will set it. The widths are those of DejaVu Sans, the
widest of the usual ones, rounded up; a text set in a narrower font leaves its box some air.
"""

from __future__ import annotations

import re
import unicodedata

_CLASSES = {
    0.3: "'Iijlł",
    0.35: " \u00a0,./:;\\|ι·",
    0.4: "()-[]ftᵀ",
    0.45: "!r²³⁰¹⁴⁵⁶⁷⁸⁹",
    0.5: '"*J`',
    0.55: "cszεζ∂⁻",
    0.6: "?L_kvxyγκλνξςυχΓ",
    0.65: "$0123456789FTabdeghnopqu{}βδηθμορστϑϵΞΣ√∘ß",
    0.7: "ABEKPSVXYZαπφϕΔΛ",
    0.75: "CNRUψ",
    0.8: "&DGHOQΘΠΦΩ",
    0.85: "#+<=>^w~ωΨ−≤≥≠≈⊙⊘×∞",
    0.9: "M",
    1.0: "%Wm½→…",
    1.05: "@",
}
_WIDTHS = {character: width for width, characters in _CLASSES.items() for character in characters}

UNKNOWN = 1.1
"""The width of a character that is not in the table, in units of the font's size."""

BOLD = 1.2
"""How much wider a bold text is."""


def text_width(text: str, size: float, bold: bool = False) -> float:
    """At least the width of `text` in a font of that size."""
    return sum(map(_width, text)) * size * (BOLD if bold else 1.0)


def wrapped(text: str, width: float, size: float, most: int) -> list[str]:
    """`text` in lines no wider than `width`, broken at spaces and after factors; what exceeds `most` lines is cut."""
    lines = [""]
    for piece in _pieces(text, width, size):
        if text_width((lines[-1] + piece).rstrip(), size) <= width or not lines[-1]:
            lines[-1] += piece if lines[-1] else piece.lstrip()
        else:
            lines.append(piece.lstrip())
    lines = [line.rstrip() for line in lines]
    if len(lines) > most:
        lines = [*lines[: most - 1], shortened("".join(lines[most - 1 :]), width, size)]
    return lines


def shortened(text: str, width: float, size: float) -> str:
    """`text`, or as much of it as fits before an ellipsis."""
    if text_width(text, size) <= width:
        return text
    room, kept = width - text_width("…", size), 0
    for character in text:
        room -= _width(character) * size
        if room < 0:
            break
        kept += 1
    return text[:kept].rstrip() + "…"


def _pieces(text: str, width: float, size: float) -> list[str]:
    """Where a line may be broken: at spaces; what is wider than a line, after factors; what still is, anywhere."""
    fitting = max(1, int(width / (UNKNOWN * size)))
    pieces: list[str] = []
    for word in re.findall(r" *[^ ]+", text):
        if text_width(word.lstrip(), size) <= width:
            pieces.append(word)
            continue
        for factor in re.findall(r"[^·*,]*[·*,]|[^·*,]+", word):
            whole = text_width(factor.lstrip(), size) <= width
            pieces += [factor] if whole else [factor[i : i + fitting] for i in range(0, len(factor), fitting)]
    return pieces


def _width(character: str) -> float:
    plain = unicodedata.normalize("NFD", character)[0]
    return _WIDTHS.get(character) or _WIDTHS.get(plain) or (0.0 if unicodedata.combining(plain) else UNKNOWN)
