"""A layered layout, left to right (Sugiyama, Tagawa and Toda, 1981): layers by longest path, few crossings, no overlap.

Written here because no library fits. grandalf is pure Python but has had no release since 2023 and leaves long edges
to the caller; graph-layout knows one distance for all nodes whatever their size, and needs NumPy; pyelk is a young
port with the nodes of a layer stacked, not aligned; fast-sugiyama and graphlay are compiled, which the browser cannot
load; networkx has no such layout. None gives an edge's label room of its own.

Everything that takes up room is a station in one layer: an item, the label of an edge, or a bend, where an edge passes
by a layer. The long edges of one item share their bends, so a parameter that a thousand nodes read is one trunk with
a thousand branches, and the work stays linear in what is drawn. Items come parents first, and the same input gives the
same layout to the last bit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Run: TypeAlias = tuple[float, float, float]
"""A horizontal piece of an edge, from one x to another at one y; curves join one run to the next. Beside labels an edge
need not be horizontal, and its piece is but a point."""

GAP = 30.0
"""Between two layers; curves that climb get more."""

LABEL_GAP = 17.0
"""Between a layer of labels and its neighbours."""

MOST_BENDS = 12_000
"""Where more would be needed, the edges that are still to come pass behind whatever is in their way."""

SMALL = 400
"""The number of stations up to which neighbours are also swapped pair by pair."""

HEAD = 7.0
"""The length of an arrow's head, which the last run leaves room for."""


@dataclass(frozen=True)
class Size:
    """The room something takes up."""

    width: float
    height: float


@dataclass(frozen=True)
class Link:
    """An edge between two items, by position, with the room its label takes up, if it has one."""

    start: int
    end: int
    label: Size | None = None


@dataclass(frozen=True)
class Route:
    """Where an edge goes.

    Args:
        runs: its horizontal pieces; where several edges of one item begin alike, the first one owns that part.
        label: the middle of its label.
    """

    runs: tuple[Run, ...]
    label: Point | None


@dataclass(frozen=True)
class Layout:
    """Where everything stands: the middle of each item, the route of each link, the size of the whole."""

    width: float
    height: float
    items: tuple[Point, ...]
    routes: tuple[Route, ...]


@dataclass
class _Station:
    layer: int
    size: Size
    kind: str
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    y: float = 0.0


def arrange(items: Sequence[Size], links: Sequence[Link], indent: Mapping[int, float] | None = None) -> Layout:
    """Place items and route the links between them.

    Args:
        items: their sizes, each item after all that link to it.
        links: at most one from an item to another.
        indent: how far within an item's right side its links begin, where its side is slanted.
    """
    if not items:
        return Layout(0.0, 0.0, (), ())
    layers = _label_layers(_layers(len(items), links), links)
    stations, chains = _stations(items, links, layers)
    columns = _ordered(stations)
    _align(stations, columns)
    left, right = _columns_across(stations, columns)
    top = min(s.y - s.size.height / 2 for s in stations)
    for station in stations:
        station.y = round(station.y - top)
    middles = tuple((round((left[s.layer] + right[s.layer]) / 2), s.y) for s in stations[: len(items)])
    routes = _routes(items, links, stations, chains, (left, right), middles, indent or {})
    return Layout(right[-1], max(s.y + s.size.height / 2 for s in stations), middles, routes)


# layers


def _layers(count: int, links: Sequence[Link]) -> list[int]:
    """By longest path; what more edges would pull to the right moves there, a leaf up to its first reader."""
    parents: list[list[int]] = [[] for _ in range(count)]
    children: list[list[int]] = [[] for _ in range(count)]
    for link in links:
        parents[link.end].append(link.start)
        children[link.start].append(link.end)
    layer = [0] * count
    for item in range(count):
        layer[item] = max((layer[parent] + 1 for parent in parents[item]), default=0)
    for item in reversed(range(count)):
        held = sum(1 for parent in parents[item] if parents[parent] or len(children[parent]) > 1)
        if children[item] and (not parents[item] or len(children[item]) > held):
            layer[item] = max(layer[item], min(layer[child] for child in children[item]) - 1)
    return layer


def _label_layers(layers: list[int], links: Sequence[Link]) -> list[int]:
    """The layers, with one for labels before each layer that a labelled edge leads to."""
    labelled = sorted({layers[link.end] for link in links if link.label})
    return [layer + bisect_right(labelled, layer) for layer in layers]


def _stations(
    items: Sequence[Size], links: Sequence[Link], layers: Sequence[int]
) -> tuple[list[_Station], list[list[int]]]:
    """Everything that takes up room, linked layer by layer, and the stations of each link.

    A link that begins as an earlier one did has only the stations after the one where it branches off.
    """
    stations = [_Station(layer, size, "item") for layer, size in zip(layers, items, strict=True)]
    trunks: dict[int, list[int]] = {}
    chains: list[list[int]] = []
    for link in links:
        trunk = trunks.setdefault(link.start, [link.start])
        last = layers[link.end] - (1 if link.label else 0)
        needed = last - layers[link.start]
        chain = trunk[min(needed, len(trunk)) - 1 :][:1]
        if len(stations) + needed - len(trunk) > len(items) + MOST_BENDS:
            chain = [link.start]
        else:
            for layer in range(layers[link.start] + len(trunk), last):
                trunk.append(len(stations))
                chain.append(len(stations))
                stations.append(_Station(layer, Size(0, 0), "bend"))
        if link.label:
            chain.append(len(stations))
            stations.append(_Station(last, link.label, "label"))
        chains.append([*chain, link.end])
    for chain in chains:
        for a, b in pairwise(chain):
            if stations[b].layer - stations[a].layer == 1:
                stations[a].right.append(b)
                stations[b].left.append(a)
    return stations, chains


# order within a layer


def _ordered(stations: list[_Station]) -> list[list[int]]:
    """The stations of each layer from top to bottom, by sweeps of barycentres; the sweep with fewest crossings wins."""
    columns: list[list[int]] = [[] for _ in range(max(s.layer for s in stations) + 1)]
    for station in _as_visited(stations):
        columns[stations[station].layer].append(station)
    best, fewest = columns, _crossings(stations, columns)
    small = len(stations) <= SMALL
    for sweep in range(12 if small else 4):
        if not fewest:
            break
        columns = _swept(stations, columns, forward=sweep % 2 == 0, turn=sweep % 4 > 1)
        if small:
            _swap_neighbours(stations, columns)
        crossings = _crossings(stations, columns)
        if crossings < fewest:
            best, fewest = columns, crossings
    return best


def _as_visited(stations: list[_Station]) -> list[int]:
    """The stations in the order in which a walk from the last ones backwards comes upon them."""
    seen: dict[int, None] = {}
    ends = sorted((s for s in range(len(stations)) if not stations[s].right), key=lambda s: -stations[s].layer)
    stack = ends[::-1]
    while stack:
        station = stack.pop()
        if station not in seen:
            seen[station] = None
            stack.extend(reversed(stations[station].left))
    return list(seen)


def _swept(stations: list[_Station], columns: list[list[int]], forward: bool, turn: bool) -> list[list[int]]:
    """Each layer sorted by where its neighbours on one side stand; a turn gives ties the opposite order."""
    made = [list(column) for column in columns]
    place = {s: i for column in made for i, s in enumerate(column)}
    for column in made[1:] if forward else made[-2::-1]:

        def barycentre(station: int) -> float:
            near = stations[station].left if forward else stations[station].right
            return sum(place[n] for n in near) / len(near) if near else place[station]

        if turn:
            column.reverse()
        column.sort(key=barycentre)
        place.update((s, i) for i, s in enumerate(column))
    return made


def _swap_neighbours(stations: list[_Station], columns: list[list[int]]) -> None:
    """Swap stations that stand one above the other while that saves crossings; once also where it costs none."""
    place = {s: i for column in columns for i, s in enumerate(column)}
    for least in (1, 0, 1, 1):
        for column in columns:
            for i in range(len(column) - 1):
                if _saved(stations[column[i]], stations[column[i + 1]], place) >= least:
                    place[column[i]], place[column[i + 1]] = i + 1, i
                    column[i], column[i + 1] = column[i + 1], column[i]


def _saved(above: _Station, below: _Station, place: Mapping[int, int]) -> int:
    """How many crossings a swap of two neighbours would save."""
    saved = 0
    for uppers, lowers in ((above.left, below.left), (above.right, below.right)):
        for upper in uppers:
            for lower in lowers:
                saved += (place[upper] > place[lower]) - (place[upper] < place[lower])
    return saved


def _crossings(stations: list[_Station], columns: list[list[int]]) -> int:
    """How many pairs of edges cross."""
    place = {s: i for column in columns for i, s in enumerate(column)}
    count = 0
    for column in columns:
        ends: list[int] = []
        for station in column:
            arrivals = sorted(place[n] for n in stations[station].right)
            count += sum(len(ends) - bisect_right(ends, arrival) for arrival in arrivals)
            for arrival in arrivals:
                ends.insert(bisect_right(ends, arrival), arrival)
    return count


# heights


def _align(stations: list[_Station], columns: list[list[int]]) -> None:
    """Give each station a height near its neighbours', in order and without overlap."""
    gaps = [[_clearance(stations[a], stations[b]) for a, b in pairwise(column)] for column in columns]
    for column, clear in zip(columns, gaps, strict=True):
        heights = _spread([0.0] * len(column), [1.0] * len(column), clear)
        for station, height in zip(column, heights, strict=True):
            stations[station].y = height
    both = 2 if len(stations) > SMALL * 4 else 6
    rounds = ["left", "right"] * both + ["both"] * 2
    for side in rounds:
        order = range(len(columns)) if side != "right" else reversed(range(len(columns)))
        for position in order:
            column = columns[position]
            aims = [_aim(stations, station, side) for station in column]
            heights = _spread([aim for aim, _ in aims], [weight for _, weight in aims], gaps[position])
            for station, height in zip(column, heights, strict=True):
                stations[station].y = height


def _clearance(above: _Station, below: _Station) -> float:
    """The least distance between the middles of two neighbours."""
    space = {"item": 9.0, "label": 3.0, "bend": 5.0}
    return (above.size.height + below.size.height) / 2 + space[above.kind] + space[below.kind]


def _aim(stations: list[_Station], station: int, side: str) -> tuple[float, float]:
    """The height a station would have by its neighbours, and how strongly; long edges want to be straight."""
    own = stations[station]
    near = (own.left if side != "right" else []) + (own.right if side != "left" else [])
    total = weights = 0.0
    for other in near:
        weight = 4.0 if "item" not in (own.kind, stations[other].kind) else 1.0
        total += weight * stations[other].y
        weights += weight
    return (total / weights, weights) if near else (own.y, 0.1)


def _spread(aims: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """The heights nearest to `aims` that keep the gaps (isotonic regression by pooling adjacent violators)."""
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    blocks: list[tuple[float, float, int]] = []
    for aim, weight, offset in zip(aims, weights, offsets, strict=True):
        block = (weight * (aim - offset), weight, 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
        blocks.append(block)
    heights = [total / weight for total, weight, count in blocks for _ in range(count)]
    return [height + offset for height, offset in zip(heights, offsets, strict=True)]


# widths and routes


def _columns_across(stations: list[_Station], columns: list[list[int]]) -> tuple[list[float], list[float]]:
    """The left and the right side of each layer."""
    left, right = [0.0], []
    for position, column in enumerate(columns):
        right.append(left[-1] + max(stations[s].size.width for s in column))
        if position + 1 < len(columns):
            climbs = (abs(stations[s].y - stations[n].y) for s in column for n in stations[s].right)
            labels = any(stations[s].kind == "label" for s in (*column, *columns[position + 1]))
            left.append(right[-1] + (LABEL_GAP if labels else GAP) + round(min(24.0, 0.12 * max(climbs, default=0.0))))
    return left, right


def _routes(
    items: Sequence[Size],
    links: Sequence[Link],
    stations: list[_Station],
    chains: Sequence[Sequence[int]],
    sides: tuple[list[float], list[float]],
    middles: Sequence[Point],
    indent: Mapping[int, float],
) -> tuple[Route, ...]:
    """The runs of every link; the part that several share belongs to the first of them."""
    left, right = _points_between(sides, stations)
    ports = _ports(stations, links, chains)
    routes = []
    for link, chain in zip(links, chains, strict=True):
        first, end = stations[chain[0]], link.end
        x = right[first.layer]
        if chain[0] == link.start:
            x = middles[link.start][0] + items[link.start].width / 2 - indent.get(link.start, 0.0)
        runs = [(x, right[first.layer], first.y)]
        inner = [stations[s] for s in chain[1:-1]]
        runs += [(left[s.layer], right[s.layer], s.y) for s in inner]
        runs.append((left[stations[end].layer] - HEAD, middles[end][0] - items[end].width / 2, ports[link.start, end]))
        label = inner[-1] if inner and inner[-1].kind == "label" else None
        routes.append(Route(tuple(runs), (left[label.layer], label.y) if label else None))
    return tuple(routes)


def _points_between(
    sides: tuple[list[float], list[float]], stations: list[_Station]
) -> tuple[list[float], list[float]]:
    """The sides of the layers, those of a layer of labels drawn together to its middle."""
    left, right = list(sides[0]), list(sides[1])
    for layer in {station.layer for station in stations if station.kind == "label"}:
        left[layer] = right[layer] = (left[layer] + right[layer]) / 2
    return left, right


def _ports(
    stations: list[_Station], links: Sequence[Link], chains: Sequence[Sequence[int]]
) -> dict[tuple[int, int], float]:
    """At which height each link arrives: side by side, in the order they come from."""
    arrivals: dict[int, list[tuple[float, int]]] = {}
    for link, chain in zip(links, chains, strict=True):
        arrivals.setdefault(link.end, []).append((stations[chain[-2]].y, link.start))
    ports = {}
    for end, found in arrivals.items():
        step = min(12.0, (stations[end].size.height - 14.0) / max(len(found) - 1, 1))
        for position, (_, start) in enumerate(sorted(found)):
            ports[start, end] = stations[end].y + step * (position - (len(found) - 1) / 2)
    return ports
