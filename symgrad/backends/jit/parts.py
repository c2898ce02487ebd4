"""Long straight lines, cut into functions that hand each other their values in memory.

In a gradient what is computed first is needed last, so thousands of values would be alive at once, and LLVM's register
allocator takes time quadratic in the length of such a program to find out that they belong in memory. In parts of a few
hundred instructions the whole takes time linear in its length and runs as fast.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

SIZE = 256
"""Instructions in a part."""

_NAME = re.compile(r"%[\w.]+")
_DEFINED = re.compile(r"(%[\w.]+) = (?:fast )?(\w+) (.*)")
_FIRST_TYPE = re.compile(r"(?:(?:fast|nuw|nsw|reassoc) )*(\w+)")


def divided(
    lines: Sequence[str], outer: Mapping[str, str], results: Sequence[str], name: str = "part"
) -> tuple[list[str], list[str], list[str]]:
    """The same instructions as calls of functions.

    Args:
        lines: of one block, each value defined once.
        outer: types of the values that the lines read and do not define.
        results: the values that are read after them.
        name: of the functions, before a number.

    Returns:
        The functions, what is to stand at the entry of the caller, and the lines in place of the old ones; the old ones
        where they are few.
    """
    if len(lines) < 2 * SIZE:
        return [], [], list(lines)
    code = [line.partition("  ; ")[0] for line in lines]
    types = {m[1]: _type(m[2], m[3]) for line in code if (m := _DEFINED.match(line))}
    chunks = [range(start, min(start + SIZE, len(lines))) for start in range(0, len(lines), SIZE)]
    home = {m[1]: n // SIZE for n, line in enumerate(code) if (m := _DEFINED.match(line))}
    reads = [dict.fromkeys(u for n in chunk for u in _NAME.findall(code[n])) for chunk in chunks]
    shared = dict.fromkeys(u for part, names in enumerate(reads) for u in names if home.get(u, part) != part)
    slots = {value: slot for slot, value in enumerate(dict.fromkeys((*shared, *(r for r in results if r in home))))}

    functions: list[str] = []
    calls: list[str] = []
    for part, chunk in enumerate(chunks):
        given = [u for u in reads[part] if u in outer]
        arguments = ["ptr noalias %memory", *(f"{outer[u]} {u}" for u in given)]
        functions.append(f"define internal void @{name}{part}({', '.join(arguments)}) noinline nounwind {{")
        for value in reads[part]:
            if home.get(value, part) != part:
                functions += _at(value, slots[value], ".from")
                functions.append(f"{value} = load {types[value]}, ptr {value}.from")
        for n in chunk:
            functions.append(lines[n])
            value = code[n].partition(" ")[0]
            if value in slots and home.get(value) == part:
                functions += _at(value, slots[value], ".to")
                functions.append(f"store {types[value]} {value}, ptr {value}.to")
        functions += ["ret void", "}"]
        calls.append(f"call void @{name}{part}({', '.join(['ptr %memory', *(f'{outer[u]} {u}' for u in given)])})")
    for value in dict.fromkeys(r for r in results if r in home):
        calls += [*_at(value, slots[value], ".from"), f"{value} = load {types[value]}, ptr {value}.from"]
    return functions, [f"%memory = alloca i64, i64 {max(len(slots), 1)}"], calls


def _at(value: str, slot: int, ending: str) -> list[str]:
    return [f"{value}{ending} = getelementptr i64, ptr %memory, i64 {slot}"]


def _type(operation: str, rest: str) -> str:
    """The type of the value of an instruction that an `Emitter` wrote."""
    match operation:
        case "fcmp" | "icmp":
            return "i1"
        case "getelementptr":
            return "ptr"
        case "fpext" | "fptrunc" | "sitofp" | "zext":
            return rest.rpartition(" ")[2]
        case "select":
            return rest.split(", ")[1].split(" ", maxsplit=1)[0]
    found = _FIRST_TYPE.match(rest)
    assert found is not None
    return found[1]
