"""Reading printouts back: the claims of text, unicode and LaTeX, put into the text grammar as a person reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import symgrad as sg
from symgrad import functions
from symgrad.renderers.latex_formula import distinct_names


@dataclass(frozen=True)
class Claim:
    """One equals sign.

    Args:
        line: the printed line, for messages.
        left: the name whose value is claimed; or the nodes of a path, whose contribution is.
        right: what it is claimed to be, in the text grammar.
    """

    line: str
    left: str | tuple[str, ...]
    right: str


@dataclass(frozen=True)
class Number:
    """A printed number: as `Claim`, with the sign before it."""

    line: str
    left: str | tuple[str, ...]
    sign: str
    text: str


_PROSE = re.compile(
    r"^(Path {4}.* (->|→) .*|Path {4}\S+|Local partials"
    r"|\S+ reaches \S+ by \d+ paths; their contributions add up\."
    r"|\S+ does not depend on \S+\."
    r"|\S+ reads \S+ in conditions alone; its derivative is 0\."
    r"|d(\.\.)? is a total derivative, .*|\s+\(written in leaves alone it would have .*\)|)$"
)
_VALUE = re.compile(r"(?<=\S)\s{3,}([=~≈])\s+([-−]?(?:[\d.]+(?:e[+-]?\d+)?|inf|nan))$")
_PATH = re.compile(r"^  \d+  (\S+(?: (?:->|→) \S+)+)$")
_NOTE = re.compile(r"(?<=\S)\s{6,}(?=\S)(?![=~≈]\s).*$")


def lines_of(text: str, has_values: bool) -> Iterator[Claim | Number]:
    """Every claim and number of a text or unicode printout; a line of unknown shape is an error."""
    left: str | tuple[str, ...] = ""
    for line in text.splitlines():
        if _PROSE.match(line):
            continue
        path = _PATH.match(line)
        if path:
            left = tuple(re.split(" (?:->|→) ", path[1]))
            continue
        body = line
        number = _VALUE.search(line) if has_values else None
        if number:
            body = line[: number.start()]
        body = _NOTE.sub("", body.removeprefix("Given   ")).strip()
        cells = split_equals(body)
        names_its_left = line.startswith("        ") and cells[0]
        if names_its_left or not line.startswith("     "):
            left, cells = cells[0], cells[1:]
        elif not cells[0]:
            cells = cells[1:]
        assert left, f"a line that continues nothing: {line!r}"
        assert cells, f"a line without equals sign: {line!r}"
        assert all(cells), f"a line of unknown shape: {line!r}"
        yield from (Claim(line, left, cell) for cell in cells)
        if number:
            yield Number(line, left, number[1], number[2].replace("−", "-"))


def split_equals(text: str) -> list[str]:
    """The parts between equals signs that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in "({[") - (character in ")}]")
        alone = text[position - 1 : position] in (" ", "") and text[position + 1 : position + 2] in (" ", "")
        if character == "=" and not depth and alone:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]


# unicode and LaTeX

_OPERAND, _FUNCTION, _OPERATOR, _OPEN, _CLOSE = range(5)
Piece = tuple[int, str]

FUNCTIONS = frozenset(functions.BY_NAME) | functions.SPELLINGS


def joined(pieces: list[Piece]) -> str:
    """Pieces as text, with the multiplication signs that juxtaposition stands for."""
    text, before = "", _OPERATOR
    for kind, piece in pieces:
        if before in (_OPERAND, _CLOSE) and kind in (_OPERAND, _FUNCTION, _OPEN):
            text += "*"
        text += piece
        before = kind
    return text


@dataclass(frozen=True)
class Vocabulary:
    """What may stand in a printout.

    Args:
        names: each spelling of a node, with its name.
        quantities: each spelling of a derivative, with the node of the gradient that holds it.
    """

    names: Mapping[str, str]
    quantities: Mapping[str, str]


def vocabulary(derivation: sg.Derivation, totals: bool, format: str) -> Vocabulary:
    """The names and derivatives of a derivation in a format; two that are spelled alike cannot be told apart."""
    spelled = distinct_names(node.name for node in derivation.primal.nodes)

    def spell(name: str) -> str:
        return spelled[name] if format == "latex" else name

    names: dict[str, str] = {}
    for node in derivation.primal.nodes:
        assert names.setdefault(spell(node.name), node.name) == node.name, f"two names print as {spell(node.name)}"

    def quantity(d: str, of: str, by: str) -> str:
        return rf"\frac{{{d}{spell(of)}}}{{{d}{spell(by)}}}" if format == "latex" else f"{d}{spell(of)}/{d}{spell(by)}"

    curly, straight = (r"\partial ", r"\mathrm{d}") if format == "latex" else ("∂", "d")
    quantities = {quantity(curly, t.child, t.parent): t.partial_name for t in derivation.terms}
    adjoints = {
        quantity(straight if totals else curly, derivation.output, v): a for v, a in derivation.adjoints.items()
    }
    return Vocabulary(names, quantities | adjoints)


_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
_UNICODE = re.compile(
    rf"(?P<space>\s+)|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)|(?P<raised>[{_RAISED}]+)|(?P<half>½)|(?P<bar>\|)|(?P<root>√)"
    rf"|(?P<word>[^\W\d{_RAISED}½][^\W{_RAISED}½]*)|(?P<open>\()|(?P<close>\))|(?P<operator>[-−+·/^,<>≤≥=≠])"
)
_SIGNS = {"−": "-", "·": "*", "^": "**", "≤": "<=", "≥": ">=", "=": "==", "≠": "!=", ",": ", "}


def from_unicode(text: str, words: Vocabulary) -> str:
    """A formula as a terminal shows it, in the text grammar."""
    nodes = list(words.quantities.values())
    for spelling, node in sorted(words.quantities.items(), key=lambda item: -len(item[0])):
        text = re.sub(rf"(?<![^\W\d]){re.escape(spelling)}(?!\w)", f" §{nodes.index(node)}§ ", text)
    pieces: list[Piece] = []
    bars = 0
    position = 0
    while position < len(text):
        placeholder = re.compile("§(\\d+)§").match(text, position)
        if placeholder:
            pieces.append((_OPERAND, nodes[int(placeholder[1])]))
            position = placeholder.end()
            continue
        token = _UNICODE.match(text, position)
        assert token, f"{text[position:]!r} is not mathematics"
        position = token.end()
        match token.lastgroup:
            case "number":
                pieces.append((_OPERAND, token[0]))
            case "raised":
                pieces[-1] = (
                    pieces[-1][0],
                    pieces[-1][1] + "**" + token[0].translate(str.maketrans(_RAISED, "0123456789-")),
                )
            case "half":
                pieces.append((_OPERAND, "(1/2)"))
            case "bar":
                closes = bars and pieces[-1][0] in (_OPERAND, _CLOSE)
                bars += -1 if closes else 1
                pieces += [(_CLOSE, ")")] if closes else [(_FUNCTION, "abs"), (_OPEN, "(")]
            case "root":
                name = re.compile(r"[^\W\d]\w*|\d+").match(text, position)
                pieces.append((_FUNCTION, "sqrt"))
                if name:
                    pieces += [(_OPEN, "("), (_OPERAND, "pi" if name[0] == "π" else name[0]), (_CLOSE, ")")]
                    position = name.end()
            case "word":
                pieces += word(token[0], text[position : position + 1] == "(", words)
            case "open":
                pieces.append((_OPEN, "("))
            case "close":
                pieces.append((_CLOSE, ")"))
            case "operator":
                pieces.append((_OPERATOR, _SIGNS.get(token[0], token[0])))
    return joined(pieces)


def word(text: str, is_called: bool, words: Vocabulary) -> list[Piece]:
    """A run of letters as a person reads it: a function where it is called, a name, or single letters side by side."""
    if is_called and text in FUNCTIONS:
        return [(_FUNCTION, text)]
    if text in words.names:
        return [(_OPERAND, words.names[text])]
    if text == "π":
        return [(_OPERAND, "pi")]
    assert all(letter in words.names or letter == "π" for letter in text), f"what is {text!r}?"
    return [(_OPERAND, "pi" if letter == "π" else words.names[letter]) for letter in text]


_LATEX = re.compile(
    r"\d+(?:\.\d+)?|\\(?:left|right)[(|)]|\\begin\{cases\}|\\end\{cases\}|\\\\|\\[A-Za-z]+|\\,|[-+^{}<>=&,]"
)
_LATEX_SIGNS = {
    "-": "-", "+": "+", "^": "**", r"\cdot": "*", "<": "<", ">": ">", "=": "==", r"\le": "<=", r"\ge": ">=",
    r"\ne": "!=", ",": ", ",
}  # fmt: skip


def from_latex(text: str, words: Vocabulary) -> str:
    """A formula in LaTeX, in the text grammar."""
    return joined(_Latex(text, words).until(None))


class _Latex:
    """A reader of what the LaTeX format writes, and of nothing else."""

    def __init__(self, text: str, words: Vocabulary) -> None:
        self.text = text
        self.position = 0
        self.spellings = sorted({**words.names, **words.quantities}.items(), key=lambda item: -len(item[0]))

    def next(self) -> tuple[str, str | None]:
        """The next token, and the node it spells if it is one."""
        rest = self.text[self.position :].lstrip()
        self.position = len(self.text) - len(rest)
        if not rest:
            return "", None
        for spelling, node in self.spellings:
            if rest.startswith(spelling):
                self.position += len(spelling)
                return spelling, node
        token = _LATEX.match(rest)
        assert token, f"{rest!r} is not mathematics"
        self.position += token.end()
        return token[0], None

    def until(self, *ends: str | None) -> list[Piece]:
        """Pieces up to one of some tokens; None is the end of the text."""
        pieces: list[Piece] = []
        while True:
            token, node = self.next()
            if node is None and (token or None) in ends:
                self.ended = token
                return pieces
            assert token, f"{self.text!r} ends too early"
            pieces += [(_OPERAND, node)] if node is not None else self.piece(token)

    def piece(self, token: str) -> list[Piece]:
        """What a token that is no name begins."""
        if token in _LATEX_SIGNS:
            return [(_OPERATOR, _LATEX_SIGNS[token])]
        if token[0].isdigit():
            return [(_OPERAND, token)]
        match token:
            case r"\,":
                return []
            case "{":
                return [(_OPERAND, f"({joined(self.until('}'))})")]
            case r"\left(":
                inside = joined(self.until(r"\right)"))
                return [(_OPEN, "("), (_OPERAND, inside), (_CLOSE, ")")]
            case r"\left|":
                inside = joined(self.until(r"\right|"))
                return [(_OPERAND, f"abs({inside})")]
            case r"\frac":
                return [(_OPERAND, f"({self.group()}/{self.group()})")]
            case r"\sqrt":
                return [(_OPERAND, f"sqrt{self.group()}")]
            case r"\pi":
                return [(_OPERAND, "pi")]
            case r"\operatorname":
                name = re.compile(r"\{((?:\w|\\_)+)\}").match(self.text, self.position)
                assert name
                self.position = name.end()
                return [(_FUNCTION, name[1].replace(r"\_", "_"))]
            case r"\begin{cases}":
                return [(_OPERAND, self.cases())]
        assert token[1:] in FUNCTIONS, f"what is {token}?"
        return [(_FUNCTION, token[1:])]

    def group(self) -> str:
        """A group in braces, as one in parentheses."""
        token, _ = self.next()
        assert token == "{"
        return f"({joined(self.until('}'))})"

    def cases(self) -> str:
        """A case distinction, up to its end."""
        then = joined(self.until("&"))
        otherwise = r"\text{otherwise}"
        rest = self.text[self.position :].lstrip()
        if rest.startswith(otherwise):
            self.position = len(self.text) - len(rest) + len(otherwise)
            self.until(r"\end{cases}")
            return then
        condition = joined(self.until(r"\\"))
        return f"where({condition}, {then}, {self.cases()})"


def claims_in_unicode(text: str, words: Vocabulary) -> list[Claim]:
    """Every claim of a unicode printout."""
    found = []
    for claim in lines_of(text, has_values=False):
        assert isinstance(claim, Claim)
        left = (
            claim.left if isinstance(claim.left, tuple) else words.quantities.get(claim.left) or words.names[claim.left]
        )
        found.append(Claim(claim.line, left, from_unicode(claim.right, words)))
    return found


def claims_in_latex(text: str, words: Vocabulary) -> list[Claim]:
    """Every claim of a LaTeX printout: the rows of its alignments."""
    found: list[Claim] = []
    left: str | tuple[str, ...] = ""
    for block in re.findall(r"\\begin\{align\*\}\n(.*?)\n\\end\{align\*\}", text, re.DOTALL):
        for line in (row.removesuffix(r" \\").strip() for row in block.split("\n")):
            if line.startswith(r"&\quad\text{("):
                continue
            if line.startswith("& "):
                left = tuple(words.names[name] for name in line[2:].removesuffix(":").split(r" \to "))
                continue
            row = line.partition(r" \qquad ")[0]
            first, _, rest = row.partition(r"&\quad" if row.startswith(r"&\quad") else "&=")
            if first.strip():
                left = words.quantities.get(first.strip()) or words.names[first.strip()]
            found += [Claim(line, left, from_latex(cell, words)) for cell in split_latex_equals(rest)]
    return found


def split_latex_equals(text: str) -> list[str]:
    """The parts between equals signs that stand in no group."""
    parts, depth, start = [], 0, 0
    for token in re.finditer(r"\\left\b|\\right\b|\\begin\{cases\}|\\end\{cases\}|[{}=]", text):
        if token[0] == "=" and not depth:
            parts.append(text[start : token.start()])
            start = token.end()
        elif token[0] != "=":
            depth += 1 if token[0] in ("{", r"\left", r"\begin{cases}") else -1
    return [*parts, text[start:]]
