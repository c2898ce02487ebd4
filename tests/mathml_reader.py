"""MathML read as a person reads it: formulas in entries are put back into the text grammar.

Rows hold nothing together that cannot be seen to: what is beside each other is read from left to right, and only a
fraction bar, a root, a raised place and a bracket keep their contents together.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

SIGNS = {
    "−": "-", "+": "+", "·": "*", "\u2062": "*", "=": "==", "<": "<", ">": ">", "≤": "<=", "≥": ">=", "≠": "!=",
    ",": ", ", "(": "(", ")": ")",
}  # fmt: skip
ENDS = {"+", "-", ", ", "==", "<", ">", "<=", ">=", "!=", ")"}

BIG = {"∑": "sum", "∏": "prod"}


def canonical(element: ET.Element) -> str:
    """An element without what only spaces it."""
    inside = "".join(map(canonical, element))
    return f"<{element.tag}>{element.text or ''}{inside}</{element.tag}>"


def is_differential(part: ET.Element) -> bool:
    """Whether it is an upright d or ∂."""
    return part.text in ("d", "∂") and part.get("mathvariant") == "normal"


def key(markup: str) -> str:
    """The same of markup."""
    return canonical(ET.fromstring(markup))


class Reader:
    """Reads the formulas of one page.

    Args:
        names: each spelling of a node, with its name.
        quantities: each spelling of a derivative, with the node of the gradient that holds it.
    """

    def __init__(self, names: Mapping[str, str], quantities: Mapping[str, str]) -> None:
        self.known = {**names, **quantities}

    def read(self, formula: ET.Element) -> str:
        """A formula in the text grammar, without the equals sign at its beginning."""
        parts = list(formula)
        if parts[0].tag == "mo" and parts[0].text == "=":
            parts = parts[1:]
        return re.sub(r"logabs\(det(\w+)\)", r"logdet(\1)", self.row(parts))

    def row(self, parts: Sequence[ET.Element]) -> str:
        """What stands side by side."""
        return self.sums(self.pieces(parts))

    def pieces(self, parts: Sequence[ET.Element]) -> list[str]:
        """The signs and operands, rows within rows laid open."""
        found: list[str] = []
        for part in parts:
            if part.tag == "mrow" and canonical(part) not in self.known:
                found += self.opened(part)
            else:
                found.append(self.one(part))
        return [piece for piece in found if piece]

    def opened(self, part: ET.Element) -> list[str]:
        """A row laid open; bars are a function, a brace a case distinction, a word below a function a reduction."""
        inside = list(part)
        first, last = inside[0], inside[-1]
        if first.text == "|" == last.text:
            return [f"abs({self.row(inside[1:-1])})"]
        if first.text == "{":
            return [self.cases(list(last))]
        if first.tag == "munder" and first[0].tag == "mi":
            body = self.row(list(last)[1:-1])
            return [f"{first[0].text}({body}, {self.row([first[1]])})"]
        return self.pieces(inside)

    def sums(self, pieces: list[str]) -> str:
        """Pieces as text; a Σ takes in the product after it."""
        text = ""
        for position, piece in enumerate(pieces):
            if not piece.startswith("Σ"):
                text += piece
                continue
            name, _, letters = piece[1:].partition(":")
            depth, end = 0, position + 1
            while end < len(pieces) and (depth or pieces[end] not in ENDS):
                depth += (pieces[end] == "(") - (pieces[end] == ")")
                end += 1
            return text + f"{name}({self.sums(pieces[position + 1 : end])}, {letters})" + self.sums(pieces[end:])
        return text

    def one(self, part: ET.Element) -> str:
        """An element that is no row."""
        if canonical(part) in self.known:
            return self.known[canonical(part)]
        match part.tag:
            case "mo":
                return "" if part.text == "\u2061" else SIGNS[part.text or ""]
            case "mn":
                return part.text or ""
            case "mi":
                return "pi" if part.text == "π" else part.text or ""
            case "mfrac":
                return self.fraction(part)
            case "msqrt":
                return f"sqrt({self.row(list(part))})"
            case "msup":
                return self.raised(self.row([part[0]]), part[1])
            case "msubsup":
                base = ET.Element("msub")
                base.extend([part[0], part[1]])
                return self.raised(self.one(base), part[2])
            case "msub":
                return self.entry(part)
            case "munder":
                return f"Σ{BIG[part[0].text or '']}:{self.row([part[1]])}"
        raise AssertionError(f"what is <{part.tag}>?")

    def raised(self, base: str, exponent: ET.Element) -> str:
        """A power, or an inverse."""
        above = self.row([exponent])
        return f"inv({base.strip('()')})" if above == "-1" else f"{base}**({above})"

    def entry(self, part: ET.Element) -> str:
        """A name with subscripts; of a function of matrices, which stands in parentheses, one entry."""
        letters = self.row([part[1]]).replace(" ", "")
        inside = list(part[0])
        if part[0].tag == "mrow" and inside[0].text == "(":
            *factors, last = self.pieces(inside[1:-1])
            whole = f"solve({factors[0][4:-1]}, {last})" if factors else last
            return f"{whole}[{letters}]"
        return f"{self.one(part[0])}[{letters}]"

    def fraction(self, part: ET.Element) -> str:
        """A derivative, one entry of it, or a quotient."""
        plain, letters = ET.Element("mfrac"), []
        for side in part:
            held = list(side)
            if len(held) == 2 and is_differential(held[0]) and canonical(held[1]) not in self.known:
                letters.append(self.row([held[1][1]]).replace(" ", ""))
                held = [held[0], self.bare(held[1][0])]
            ET.SubElement(plain, "mrow").extend(held)
        if canonical(plain) in self.known:
            return f"{self.known[canonical(plain)]}[{','.join(letters)}]"
        assert not (len(part[1]) and is_differential(part[1][0])), f"an unknown derivative: {canonical(part)}"
        return f"(({self.row([part[0]])})/({self.row([part[1]])}))"

    def bare(self, part: ET.Element) -> ET.Element:
        """A name out of its parentheses, in which it stands where it has a subscript of its own."""
        inside = list(part)
        return inside[1] if len(inside) == 3 and canonical(inside[1]) in self.known else part

    def cases(self, rows: Sequence[ET.Element]) -> str:
        """A case distinction."""
        then, when = rows[0]
        if when[0].text == "otherwise":
            return f"({self.row(list(then))})"
        condition = self.row(list(when)[1:])
        return f"where({condition}, {self.row(list(then))}, {self.cases(rows[1:])})"
