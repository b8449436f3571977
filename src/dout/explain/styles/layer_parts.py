"""The two methods of a derived class in; what they are given, keep and return, as a pair of functions needs it, out."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dout.explain.spelling.gradient_places import gradient_path
from dout.explain.spelling.syntax_trees import items_of, own_attribute
from dout.explain.styles.seen_kinds import SeenClass, SeenKind, kind, kind_of


class NoStyleError(Exception):
    """A class cannot be written in another style; the message says what stands in the way, and where."""


@dataclass(frozen=True)
class Given:
    """Something that the functions are given: an argument of forward, or what the layer holds, by its `path`.

    `gradient` is the place of its gradient in backward: a path such as self.dW, or a place in the returned tuple.
    """

    path: str
    kind: SeenKind
    gradient: str | int | None = None
    default: Any = None

    @property
    def is_held(self) -> bool:
        """Whether the layer holds it."""
        return self.path.startswith("self.")


@dataclass(eq=False)
class LayerParts:
    """What a derived class consists of."""

    seen: SeenClass
    forward: ast.FunctionDef = field(init=False)
    backward: ast.FunctionDef = field(init=False)
    listed: dict[str, ast.expr] = field(default_factory=dict)  # gradients that stand in a list, by path

    def __post_init__(self) -> None:
        methods = {item.name: item for item in self.seen.tree.body if isinstance(item, ast.FunctionDef)}
        self.forward, self.backward = methods["forward"], methods["backward"]
        self._refuse_state()

    # --- paths --------------------------------------------------------------------------------------------------------

    def path_of(self, node: ast.AST) -> str | None:
        """`self.W`, or `self.params["W"]` of a container; None where it is no value of the layer."""
        if (name := own_attribute(node)) is not None:
            return f"self.{name}"
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            holder = self.path_of(node.value)
            if holder and "[" not in holder and isinstance(node.slice.value, str | int) and self._contains(holder):
                return f"{holder}[{node.slice.value!r}]"
        return None

    def _contains(self, holder: str) -> bool:
        there = getattr(self.seen.held, holder.removeprefix("self."), None)
        if isinstance(there, dict | list | tuple):
            return True
        return there is None and holder.startswith("self.grads")

    def value(self, path: str) -> Any:
        """What the layer holds at a path, before forward runs. Raises LookupError or AttributeError."""
        name, _, key = path.removeprefix("self.").partition("[")
        there = getattr(self.seen.held, name)
        return there[ast.literal_eval(key.removesuffix("]"))] if key else there

    def uses(self, statements: Sequence[ast.stmt]) -> Iterator[tuple[str, bool, ast.expr]]:
        """Each path with whether it is written, in the order of execution, line by line."""
        for statement in statements:
            yield from self._uses(statement)

    def _uses(self, node: ast.AST) -> Iterator[tuple[str, bool, ast.expr]]:
        path = self.path_of(node)
        if path is not None:
            assert isinstance(node, ast.expr)
            yield path, not isinstance(getattr(node, "ctx", None), ast.Load), node
            return
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.For):
            first = [node.value] if not isinstance(node, ast.For) and node.value else []
            if isinstance(node, ast.For):
                first = [node.iter]
            children = [*first, *(c for c in children if c not in first)]
        if isinstance(node, ast.AugAssign) and (path := self.path_of(node.target)):
            yield path, False, node.target
        for child in children:
            yield from self._uses(child)

    # --- what goes in and out -----------------------------------------------------------------------------------------

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """The names of forward's arguments."""
        given = self.forward.args
        if given.vararg or given.kwarg or given.kwonlyargs:
            raise NoStyleError("forward has *arguments or keyword arguments")
        return tuple(a.arg for a in (*given.posonlyargs, *given.args))[1:]

    @cached_property
    def written(self) -> tuple[str, ...]:
        """The attributes that forward writes."""
        return tuple(dict.fromkeys(path for path, writes, _ in self.uses(self.forward.body) if writes))

    def _refuse_state(self) -> None:
        done: set[str] = set()
        for path, writes, node in self.uses(self.forward.body):
            if not writes and path in self.written and path not in done:
                raise NoStyleError(f"forward reads {path} and changes it: {said(node)}; a function has no state")
            done |= {path} if writes else set()

    @cached_property
    def _read(self) -> tuple[str, ...]:
        """What is read and not written before, in either method."""
        in_backward = {path for path, writes, _ in self.uses(self.backward.body) if writes}
        uses = [*self.uses(self.forward.body), *self.uses(self.backward.body)]
        found = dict.fromkeys(p for p, writes, _ in uses if not writes and p not in {*self.written, *in_backward})
        return tuple(path for path in found if path not in self._gradient_holders)

    @cached_property
    def _gradient_holders(self) -> set[str]:
        return {path for path in self.gradients if path.startswith("self.")}

    @cached_property
    def given(self) -> tuple[Given, ...]:
        """All that the functions are given: forward's arguments, then what the layer holds; tensors first."""
        reads = [n for n in ast.walk(self.forward) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
        seen = {n.id: kind(n) for n in reversed(reads) if kind(n).what != "unknown"}
        returned = self.returned
        inputs = []
        for i, name in enumerate(self.arguments):
            has = i < len(returned) and not _is_none(returned[i])
            inputs.append(Given(name, seen.get(name, SeenKind("none")), i if has else None))
        held = [p for path in self._read for p in self._expanded(path)]
        makes = [self._held(path) for path in dict.fromkeys(held)]
        makes.sort(key=lambda one: (one.gradient is None, not one.kind.is_tensor, one.default is not None))
        missing = {p for p in self.gradients if p.startswith("self.")} - {one.gradient for one in makes}
        if missing - {"self.grads", "self.dparams"}:
            raise NoStyleError(f"{min(missing)} is the gradient of something that is not found")
        return (*inputs, *makes)

    def _expanded(self, path: str) -> list[str]:
        """A container as its items."""
        try:
            there = self.value(path)
        except (LookupError, AttributeError):
            raise NoStyleError(f"{path} is read, and nothing has set it") from None
        if isinstance(there, list | tuple) and not kind_of(there).is_plain:
            return [f"{path}[{i}]" for i in range(len(there))]
        return [path]

    def _held(self, path: str) -> Given:
        value = self.value(path)
        seen = kind_of(value)
        if not (seen.is_tensor or seen.is_plain):
            raise NoStyleError(f"{path} is a {type(value).__name__}: only arrays and numbers can be passed on")
        place = gradient_path(path)
        gradient = place if place in self.gradients else None
        is_own = seen.is_plain and path.removeprefix("self.") not in self._asked_for
        return Given(path, seen, gradient, value if is_own else None)

    @cached_property
    def _asked_for(self) -> set[str]:
        """The constructor's arguments without a default: what they are in the example is nobody's choice."""
        for item in self.seen.tree.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                names = [a.arg for a in (*item.args.posonlyargs, *item.args.args)]
                return set(names[: len(names) - len(item.args.defaults)])
        return set()

    @cached_property
    def gradients(self) -> dict[str, ast.expr]:
        """The gradients that backward writes into the layer, by path."""
        found: dict[str, ast.expr] = {}
        for node in ast.walk(self.backward):
            if isinstance(node, ast.Assign):
                target = node.targets[0]
                if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
                    target = target.value if target.slice.value is ... else target
                path = self.path_of(target)
                if path is None or (isinstance(node.value, ast.Dict) and not node.value.keys):
                    continue
                if isinstance(node.value, ast.List):
                    found |= {f"{path}[{i}]": item for i, item in enumerate(node.value.elts)}
                    self.listed |= {f"{path}[{i}]": item for i, item in enumerate(node.value.elts)}
                else:
                    found[path] = node.value
        return found

    @cached_property
    def returned(self) -> list[ast.expr]:
        """The expressions that backward returns, one for each argument."""
        last = self.backward.body[-1]
        if not isinstance(last, ast.Return) or last.value is None:
            raise NoStyleError("backward returns nothing")
        return items_of(last.value)

    @cached_property
    def kept(self) -> dict[str, SeenKind]:
        """The values that forward writes and backward reads, with their kinds."""
        found: dict[str, SeenKind] = {}
        for path, writes, node in self.uses(self.backward.body):
            if not writes and path in self.written:
                found.setdefault(path, kind(node))
        for path, one in found.items():
            if not (one.is_tensor or one.is_plain):
                raise NoStyleError(f"{path} is kept, and is neither an array nor a number")
        return found


def wanted_names(source: str) -> set[str]:
    """The arguments and attributes that a derived class has gradients of."""
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.ClassDef)
    methods = {item.name: item for item in tree.body if isinstance(item, ast.FunctionDef)}
    names = [a.arg for a in methods["forward"].args.args][1:]
    last = methods["backward"].body[-1]
    returned = items_of(last.value) if isinstance(last, ast.Return) and last.value is not None else []
    found = {n for n, item in zip(names, returned, strict=False) if not _is_none(item)}
    for node in ast.walk(methods["backward"]):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr.startswith("d"):
            found.add(f"self.{node.attr[1:]}")
    return found


def said(node: ast.AST) -> str:
    """A line of the derived class, as a message names it."""
    return f"line {getattr(node, 'lineno', 0)}, {ast.unparse(node)}"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
