"""The nodes of a text, gathered statement by statement."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property

from symgrad.calculus.elementary import Parts, Splitter, plainly
from symgrad.core.expression import ZERO, Expr, name_of
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import Index, bound_indices, free_indices, fresh_index, index_of, reindex
from symgrad.core.names import suggestion
from symgrad.errors import GraphError, ReadError
from symgrad.readers.algebra import Algebra
from symgrad.readers.declarations import declared_shape, given_shape
from symgrad.readers.indexed import Scope
from symgrad.readers.insertion import Inserter
from symgrad.readers.scan import Statement, words
from symgrad.readers.shapes import Operand, Shape, Sizes, Tensor, Value, axis, bound_index, is_letter, letter_of
from symgrad.readers.subscripts import items_of, names_of_indices
from symgrad.readers.tensors import TensorReader


class Model:
    """The nodes read so far.

    Args:
        text: the source.
        known: a graph that the text goes on from.
        is_line: whether the text is one line by itself, to which no node may be added.
    """

    def __init__(self, text: str, known: Graph | None = None, is_line: bool = False) -> None:
        self.text = text
        self.nodes: dict[str, Node] = {node.name: node for node in known.nodes} if known else {}
        self.defined: set[str] = {node.name for node in known.nodes if not node.is_leaf} if known else set()
        self.later: set[str] = set()
        self.output: str | None = None
        self.sizes = Sizes(fixed=is_line)
        self.parts = Parts()
        self.inserter = Inserter(self.parts, lambda: self.words)
        self.is_line = is_line
        self.letters: set[str] = set()
        self.spoken: set[str] = set()
        self.plain: set[str] = set()
        self.present = ""
        self.splitter: Splitter | None = None
        self.numbers = itertools.count()
        self.scope = Scope(self.nodes, {}, self.sizes, Algebra(self.sizes, self._insert, self.numbers))
        for node in self.nodes.values():
            if node.shape:
                self.sizes.declare(node.shape, node.name)
            if node.inserted:
                self.parts.know(node)

    @cached_property
    def words(self) -> set[str]:
        """Every name in the text or known beside it, which nothing that the reader names may have."""
        return {*words(self.text), *self.nodes, *self.sizes.names, *self.scope.shapes}

    # declarations

    def declare(self, statements: Sequence[tuple[Statement, ast.stmt]], shapes: Mapping[str, Shape]) -> None:
        """Take note of all shapes, and of which names get a definition."""
        used = words(self.text) if shapes else set()
        for name, shape in shapes.items():
            self._declare_given(name, shape, used)
        for statement, tree in statements:
            match tree:
                case ast.AnnAssign(target=ast.Name() as target, value=None, annotation=annotation):
                    name = statement.names.get(target.id, target.id)
                    self._declare(statement, tree, name, declared_shape(statement, name, annotation))
                case (
                    ast.Assign(targets=[ast.Name(id=name)])
                    | ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name))])
                ):
                    self.later.add(statement.names.get(name, name))

    def _declare_given(self, name: str, shape: Shape, used: set[str]) -> None:
        shape = given_shape(name, shape, used)
        self.scope.shapes[name] = shape
        self.sizes.declare(shape, name)

    def _check_sizes(self, statement: Statement, name: str, start: int, end: int | None) -> None:
        """A size is no node: its value comes with the tensors."""
        if name in self.sizes.names:
            owner = self.sizes.names[name]
            message = f"{name!r} is the size of an axis of {owner}; give this node a name of its own."
            raise statement.error(message, start, len(statement.text) if end is None else end)

    def _declare(self, statement: Statement, tree: ast.AnnAssign, name: str, shape: Shape) -> None:
        known = self.scope.shape(name)
        if known is not None and known != shape:
            message = (
                f"{name} has shape {self.sizes.spelled(known)} already, which differs from {self.sizes.spelled(shape)}."
            )
            raise statement.error(message, tree.target.col_offset, tree.target.end_col_offset)
        self.scope.shapes[name] = shape
        self.sizes.declare(shape, name)

    # statements

    def read(self, statement: Statement, tree: ast.stmt, is_last: bool) -> None:
        """Add what one statement says."""
        match tree:
            case ast.Assign(targets=[ast.Name() | ast.Subscript(value=ast.Name()) as target], value=value):
                self._define(statement, target, value)
            case ast.Assign():
                raise statement.error("a definition has one name on its left, as in l = …", 0, len(statement.text))
            case ast.AnnAssign(target=ast.Name() as target, value=None):
                name = statement.names.get(target.id, target.id)
                self._check_sizes(statement, name, target.col_offset, target.end_col_offset)
                if name not in self.later:
                    self._leaf(statement, name)
            case ast.AnnAssign():
                message = "a declaration is a name and its shape, as in W: (h, d); define it on a line of its own."
                raise statement.error(message, 0, len(statement.text))
            case ast.Expr(value=value) if is_last:
                self._bare(statement, value)
            case ast.Expr():
                message = "only the last statement may be a bare expression; give this one a name, as in a = …"
                raise statement.error(message, 0, len(statement.text))
            case _:
                message = "this statement is not part of the grammar; write definitions such as y_pred = x*w"
                raise statement.error(message, 0, len(statement.text))

    def _define(self, statement: Statement, target: ast.Name | ast.Subscript, value: ast.expr) -> None:
        whole = target if isinstance(target, ast.Name) else target.value
        assert isinstance(whole, ast.Name)
        name = statement.names.get(whole.id, whole.id)
        place = (whole.col_offset, whole.end_col_offset)
        if name in self.nodes:
            is_leaf = self.nodes[name].is_leaf
            what = "is already used as an input above" if is_leaf else "is already defined"
            raise statement.error(f"{name!r} {what}; give this one a name of its own.", *place)
        self._check_sizes(statement, name, *place)
        self._check_letter(statement, name, *place)
        index = self._own(statement, target) if isinstance(target, ast.Subscript) else ()
        reader = self._reader(statement, value, name, index)
        if isinstance(target, ast.Subscript):
            self._bind_declared(reader, statement, name, index, target)
        body, own = self._finished(reader, statement, value, name, isinstance(target, ast.Subscript))
        self._add(statement, Node(name, body, own))
        self.later.discard(name)
        self.defined.add(name)
        self.output = name

    def line(self, statement: Statement, tree: ast.Expr, index: tuple[Index, ...]) -> tuple[Expr, tuple[Index, ...]]:
        """The body of one line, and its own indices."""
        reader = self._reader(statement, tree.value, "", index)
        return self._finished(reader, statement, tree.value, "", bool(index))

    def _bare(self, statement: Statement, value: ast.expr) -> None:
        taken = {*self.nodes, *self.sizes.names}
        splitter = Splitter(taken)
        reader = self._reader(statement, value, "l", (), splitter)
        result = reader.line(value)
        self._check_letters(reader, statement, value, result)
        expr = result.expr if type(result) is Tensor else result
        if self.scope.algebra.is_whole(expr, _shape_of(result)) and name_of(expr) in self.defined:
            self.output = name_of(expr)
            return
        body, index = self._settled(result, reader)
        taken |= {*self.nodes, *self.sizes.names, *(self.words if reader.touched else ())}
        names = ("l", "L", "loss", *(f"l{i}" for i in range(1, len(self.nodes) + 2)))
        name = next(n for n in names if n not in self.nodes and n not in self.sizes.names and n not in self.letters)
        *made, last = splitter.split(name, body, index)
        steps = {node.name for node in made}
        for leaf in Node("l", body, index).parents:
            if leaf not in steps:
                self._leaf(statement, leaf)
        for node in (*made, last):
            self._add(statement, node)
        if reader.touched:
            self.plain |= steps
            self.spoken |= {name}
        self.defined.add(name)
        self.output = name

    # lines

    def _reader(
        self,
        statement: Statement,
        value: ast.expr,
        name: str,
        index: tuple[Index, ...],
        splitter: Splitter | None = None,
    ) -> TensorReader:
        letters = {i.name for i in index}
        if "[" in statement.text:
            for written, place in names_of_indices(value).items():
                letter = statement.names.get(written, written)
                if letter != "newaxis" and (self.scope.shape(letter) is None or self._is_plain(letter)):
                    self._check_index(statement, letter, place)
                    letters.add(letter)
            self.letters |= letters
        self.present, self.splitter = name, splitter
        own = {i.name: i for i in index}
        return TensorReader(statement, self.nodes, self.later, scope=self.scope, letters=letters, own=own)

    def _is_plain(self, name: str) -> bool:
        """Whether a scalar has the name, without having been declared: no leaf of integers."""
        return self.scope.shape(name) == () and name not in self.scope.shapes

    def _check_index(self, statement: Statement, letter: str, place: ast.expr) -> None:
        if letter in self.nodes or letter in self.later:
            message = f"{letter!r} is an index here, and a node elsewhere; give the index a letter of its own."
            raise statement.error(message, place.col_offset, place.end_col_offset)

    def _check_letter(self, statement: Statement, name: str, start: int = 0, end: int | None = None) -> None:
        if name in self.letters:
            message = f"{name!r} is an index above, and a node here; give one of them another name."
            raise statement.error(message, start, len(statement.text) if end is None else end)

    def _own(self, statement: Statement, target: ast.Subscript) -> tuple[Index, ...]:
        """The indices on the left of a definition."""
        own: list[Index] = []
        for item in items_of(target):
            if not isinstance(item, ast.Name):
                message = "on the left stand indices, as in z[i] = …"
                raise statement.error(f"{message}.", item.col_offset, item.end_col_offset)
            letter = statement.names.get(item.id, item.id)
            if any(letter == index.name for index in own):
                message = f"the index {letter!r} stands on the left twice; give each axis its own."
                raise statement.error(message, item.col_offset, item.end_col_offset)
            self._check_index(statement, letter, item)
            own.append(index_of(letter, self.sizes.unknown(letter)))
        return tuple(own)

    def _bind_declared(
        self, reader: TensorReader, statement: Statement, name: str, index: tuple[Index, ...], target: ast.Subscript
    ) -> None:
        """Let the indices on the left run over the axes that are declared."""
        shape = self.scope.shapes.get(name)
        if shape is None:
            return
        if len(shape) != len(index):
            message = f"{name} is declared {self.sizes.spelled(shape)}, but here it has {len(index)} indices."
            raise statement.error(message, target.col_offset, target.end_col_offset)
        for letter, size in zip(index, shape, strict=True):
            self.sizes.unify(letter.size, size)
            reader.placed[letter] = Operand(ZERO, shape, name)

    def _finished(
        self, reader: TensorReader, statement: Statement, value: ast.expr, name: str, in_letters: bool
    ) -> tuple[Expr, tuple[Index, ...]]:
        """The body of a definition and its own indices, nested reductions split off."""
        result = reader.line(value)
        self._check_letters(reader, statement, value, result)
        for index in reader.own.values():
            if index not in reader.placed and self.sizes.is_unknown(index.size):
                message = f"nothing tells the size of the index {index.name!r}; declare {name}: (…)."
                raise statement.error(message, 0, len(statement.text))
        if not in_letters:
            self._check_declared(statement, value, name, result)
        if not reader.touched and not reader.own and type(result) is not Tensor:
            return result, ()
        body, own = self._settled(result, reader)
        if self.is_line:
            spelled = self._spelled(Node("l", body, own))
            assert spelled.body is not None
            return spelled.body, spelled.index
        body = self.inserter.line(name, body, own)
        for node in self.parts.take():
            self._add(statement, node)
            self.plain.add(node.name)
        self.spoken.add(name)
        return body, own

    def _check_letters(self, reader: TensorReader, statement: Statement, value: ast.expr, result: Value) -> None:
        if reader.letters and type(result) is Tensor:
            shape = self.sizes.spelled(result.shape)
            message = f"beside its indices this has axes, of shape {shape}; in index notation give each axis an index."
            raise statement.error(message, value.col_offset, value.end_col_offset)

    def _check_declared(self, statement: Statement, value: ast.expr, name: str, result: Value) -> None:
        declared = self.scope.shapes.get(name)
        if declared is None:
            return
        found = _shape_of(result)
        fits = len(found) == len(declared) and all(map(self.sizes.unify, found, declared))
        if not fits:
            first, second = self.sizes.spelled(declared), self.sizes.spelled(found)
            message = f"{name} is declared {first}, but its definition has shape {second}."
            raise statement.error(message, value.col_offset, value.end_col_offset)

    def _settled(self, result: Value, reader: TensorReader) -> tuple[Expr, tuple[Index, ...]]:
        """A value as a body and its own indices, with all sizes as far as they are known."""
        if type(result) is not Tensor:
            own = tuple(index_of(i.name, self.sizes.find(i.size)) for i in reader.own.values())
            return self.sizes.resolve(result), own
        shape = self.sizes.shape(result.shape)
        own = tuple(bound_index(next(self.numbers), size) for size in shape)
        expr = reindex(result.expr, {axis(len(shape) - p): index for p, index in enumerate(own)})
        return self.sizes.resolve(expr), own

    def _insert(self, expr: Expr, shape: Shape, suffix: str) -> Expr | None:
        """What reads the node of an operand of the present line, which is made if need be.

        A text that is a line by itself has only the nodes there are; where none fits, the answer is None.
        """
        letters = [index for index in free_indices(expr) if is_letter(index)]
        known = {letter: index_of(letter.name, self.sizes.find(letter.size)) for letter in letters}
        axes = {axis(len(shape) - p): bound_index(next(self.numbers), size) for p, size in enumerate(shape)}
        body = self.sizes.resolve(reindex(expr, {**known, **axes}))
        index = (*known.values(), *axes.values())
        if self.is_line:
            made = self._known_parts.find(body, index)
            if made is None:
                return None
        elif self.splitter:
            made = self.splitter.part(body, index)
        else:
            made = self.inserter.insert(self.present, suffix, body, index)
        back: dict[Index, Expr] = {new: old for old, new in known.items()}
        back |= {new: ZERO if new.size == 1 else old for old, new in axes.items()}
        return reindex(made, back)

    @cached_property
    def _known_parts(self) -> Parts:
        """What the nodes of a graph compute, for a line that may not add any."""
        parts = Parts()
        for node in self.nodes.values():
            parts.know(node)
        return parts

    def _spelled(self, node: Node) -> Node:
        """The node with its indices called as the user does, or by plain letters."""
        assert node.body is not None
        indices = (*node.index, *bound_indices(node.body))
        letters = {letter_of(index) for index in indices}
        used: set[str] = set()
        mapping: dict[Index, Index] = {}
        for index in indices:
            letter = letter_of(index)
            if not letter or letter in used:
                letter = fresh_index(index.size, {*used, *letters, *self.nodes, *node.parents, *self._sizes}).name
            used.add(letter)
            mapping[index] = index_of(letter, index.size)
        own = tuple(mapping[i] for i in node.index)
        return Node(node.name, reindex(node.body, mapping), own, (), node.inserted)

    @cached_property
    def _sizes(self) -> set[str]:
        """The sizes that are names in the end."""
        return {size for node in self.nodes.values() for size in node.shape if isinstance(size, str)}

    # nodes

    def _add(self, statement: Statement, node: Node) -> None:
        for parent in node.parents:
            self._leaf(statement, parent)
        self.nodes[node.name] = node

    def _leaf(self, statement: Statement, name: str) -> None:
        if name not in self.nodes:
            self._check_sizes(statement, name, 0, None)
            self._check_letter(statement, name)
            self.nodes[name] = Node(name, shape=self.scope.shapes.get(name, ()))

    def graph(self, output: str | None) -> Graph:
        """The graph of all nodes."""
        if output is not None and output not in self.nodes:
            raise ReadError(f"there is no node {output!r} to be the output.{suggestion(output, self.nodes)}")
        chosen = output or self.output
        if chosen is None:
            raise ReadError("there is no definition. Write one, such as l = (x*w - y)**2.", self.text)
        if self.sizes.has_changed:
            self.sizes.name_unknowns(self.words)
            self.nodes.update((node.name, self._resolved(node)) for node in self.nodes.values())
        taken = {*self.nodes, *self._sizes} if self.plain else set()
        for name in self.spoken:
            self.nodes[name] = self._spelled(self.nodes[name])
        for name in self.plain:
            self.nodes[name] = plainly(self.nodes[name], taken)
        try:
            return Graph(tuple(self.nodes.values()), (chosen,))
        except GraphError as error:
            raise ReadError(str(error), self.text) from error

    def _resolved(self, node: Node) -> Node:
        if node.body is None:
            return Node(node.name, shape=self.sizes.shape(node.shape)) if node.shape else node
        index = tuple(index_of(i.name, self.sizes.find(i.size)) for i in node.index)
        body = self.sizes.resolve(node.body)
        return node if body is node.body and index == node.index else Node(node.name, body, index, (), node.inserted)


def _shape_of(value: Value) -> Shape:
    return value.shape if type(value) is Tensor else ()
