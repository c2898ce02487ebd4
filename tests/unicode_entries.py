"""Unicode formulas in entries, put back into the text grammar as a person reads them."""

from __future__ import annotations

import re

import numpy as np


def from_unicode(text: str, names: set[str]) -> str:
    """A formula in entries put back into the text grammar, as a person reads it: a Σ takes in the product after it."""
    text = text.replace("½", "(1/2)").replace("√(", "sqrt(").replace(" · ", "*").replace("·", "*").replace("−", "-")
    text = re.sub(r"(?<=[²³])(?=\w)", "*", re.sub(r"√(\w+)", r"sqrt(\1)", text))
    text = re.sub(r"(?<=[)\]])(?=\()|(?<![\w.])(\d+)(?=\()", r"\1*", text)
    text = re.sub(
        r"[A-Za-z_]\w*", lambda m: m[0] if m[0] in names or len(m[0]) == 1 else "*".join(parted(m[0], names)), text
    )
    return sums_as_calls(text).replace(" = ", " == ").replace("≥", ">=").replace("≤", "<=")


def parted(word: str, names: set[str]) -> list[str]:
    """`nd` as its letters, where they are names; any other word as it is."""
    return list(word) if set(word) <= names else [word]


def sums_as_calls(text: str) -> str:
    """`Σ_j …` as `sum(…, j)`: to the end of its bracket, in which no further term may follow."""
    text = re.sub(r"\b(max|min|logsumexp|prod)((?:_[a-z]\d*)+)\(", r"⟨\1\2⟩(", text)
    while match := re.search(r"(Σ|Π)_([a-z]\d*) (?!.*(?:Σ|Π)_)", text):
        end = closing(text, match.end())
        inside = text[match.end() : end]
        depth = np.cumsum([(c in "([") - (c in ")]") for c in inside])
        assert not any(inside[p : p + 3] in (" + ", " - ") and not depth[p] for p in range(len(inside))), text
        name = {"Σ": "sum", "Π": "prod"}[match[1]]
        text = f"{text[: match.start()]}{name}({inside}, {match[2]}){text[end:]}"
    while match := re.search(r"⟨(\w+?)((?:_[a-z]\d*)+)⟩\(", text):
        end = closing(text, match.end())
        letters = ", ".join(match[2][1:].split("_"))
        text = f"{text[: match.start()]}{match[1]}({text[match.end() : end]}, {letters}{text[end:]}"
    return text


def closing(text: str, start: int) -> int:
    """Where the bracket, the argument or the side of a comparison around `start` ends."""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] in "([") - (text[position] in ")]")
        if depth < 0 or (not depth and (text[position] == "," or text[position : position + 3] in (" > ", " = "))):
            return position
    return len(text)
