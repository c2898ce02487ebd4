"""Names: what may be one, which one is meant, and which one is still free."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Collection, Iterable

_GREEK = frozenset("αβγδεζηθικλμνξρςστυφχψωϑϕϵΓΔΘΛΞΠΣΦΨΩ")


def why_not_a_name(text: str) -> str | None:
    """Why `text` cannot name a node, or None if it can.

    A name is a Python identifier in Latin or Greek letters that Unicode normalisation leaves as it is, so that no
    two names look alike and none turns into another on its way through generated code.
    """
    if not text.isidentifier():
        return "a name is made of letters, digits and underscores"
    if text.startswith("__"):
        return "a name must not begin with two underscores"
    if text == "π":
        return "write pi for the constant"
    if text.isascii():
        return None
    if unicodedata.normalize("NFKC", text) != text:
        return "it contains a character that only looks like a letter; type a plain one"
    for character in text:
        if character.isascii() or character in _GREEK:
            continue
        if not unicodedata.name(character, "").startswith("LATIN"):
            return f"the character {character!r} is neither Latin nor Greek; type a plain letter"
    return None


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate a typing slip away from `name`, or None."""
    matches = difflib.get_close_matches(name, sorted(candidates), n=1, cutoff=0.7)
    return matches[0] if matches else None


def suggestion(name: object, candidates: Iterable[str]) -> str:
    """`" Did you mean 'x'?"`, or nothing when no candidate is close; one in other letters' case is."""
    if not isinstance(name, str):
        return ""
    known = sorted(candidates)
    match = next((other for other in known if other.lower() == name.lower()), None) or closest(name, known)
    return f" Did you mean {match!r}?" if match else ""


def fresh(name: str, taken: Collection[str]) -> str:
    """`name`, or `name_1`, `name_2`, …: the first that is not taken."""
    candidate, count = name, 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    return candidate


def listing(names: Iterable[str]) -> str:
    """Names for a sentence: `'a', 'b' and 'c'`; long lists are cut short."""
    quoted = [repr(name) for name in names]
    if len(quoted) > 8:
        quoted = [*quoted[:7], f"{len(quoted) - 7} more"]
    if len(quoted) < 2:
        return "".join(quoted) or "none"
    return ", ".join(quoted[:-1]) + " and " + quoted[-1]
