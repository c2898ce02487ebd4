"""What every page that symgrad writes must be."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

CORE = frozenset(
    "math mi mn mo mrow mtext mfrac msqrt msub msup msubsup munder mover mtable mtr mtd".split()  # noqa: SIM905
)
"""The elements of MathML Core that are used."""


def assert_sound(page: str) -> ET.Element:
    """A page is valid XML, has alternatives everywhere, no script and no address."""
    root = ET.fromstring(page)
    for formula in root.iter("math"):
        assert formula.get("alttext", "").strip()
        assert {part.tag for part in formula.iter()} <= CORE
        assert all(set(part.attrib) <= ALLOWED[part.tag] for part in formula.iter() if part is not formula)
        assert not any(part.tail and part.tail.strip() for part in formula.iter() if part is not formula)
    assert not list(root.iter("script"))
    assert not [
        name for part in root.iter() for name in part.attrib if name.startswith("on") or name in ("src", "href")
    ]
    assert not re.search(r"javascript:|<link|<img|@import|url\(", page)
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    for heading in root.iter("th"):
        assert heading.get("scope") in ("row", "col", "rowgroup")
    for picture in (part for part in root.iter() if part.tag.endswith("svg")):
        assert picture[0].tag.endswith("title")
        assert picture[0].text
    ids = [part.get("id") for part in root.iter() if part.get("id")]
    assert len(set(ids)) == len(ids)
    return root


ALLOWED = {tag: frozenset[str]() for tag in CORE} | {
    "mi": frozenset({"mathvariant"}),
    "mn": frozenset({"class"}),
    "mo": frozenset({"form", "rspace", "stretchy", "movablelimits"}),
    "mover": frozenset({"accent"}),
    "mtable": frozenset({"class"}),
}
