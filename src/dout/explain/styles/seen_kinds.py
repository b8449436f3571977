"""A derived class and an example in; what kind of value each expression of its two methods has, out."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from dout.explain.derive.forward_runs import ForwardSubject
from dout.explain.styles.written_out import written_out
from dout.run import deep_copy, flat, quiet

_KIND, _RAN, _WRITES = "__dout_kind__", "__dout_ran__", "__dout_writes__"


@dataclass(frozen=True)
class SeenKind:
    """What an expression is: a tensor (an array, or a number of one), a number, text, items, none, a module, other.

    A name that is a number at first and a tensor later is mixed.

    `dtype` is the letter of the dtype; `ndim` counts axes; `parts` are the kinds of items.
    """

    what: str = "unknown"
    dtype: str = ""
    ndim: int | None = None
    parts: tuple[SeenKind, ...] = ()

    @property
    def is_tensor(self) -> bool:
        """Whether it is an array, or a number out of one."""
        return self.what == "tensor"

    @property
    def is_float(self) -> bool:
        """Whether it is a tensor of floats."""
        return self.is_tensor and self.dtype == "f"

    @property
    def is_plain(self) -> bool:
        """Whether it is Python's own, and no tensor is in it."""
        return self.what in {"number", "text", "none", "slice", "dtype"} or (
            self.what == "items" and all(part.is_plain for part in self.parts)
        )


_N = TypeVar("_N", bound=ast.AST)
UNKNOWN = SeenKind()


def kind_of(value: Any) -> SeenKind:
    """The kind of a value."""
    if isinstance(value, np.ndarray | np.generic):
        return SeenKind("tensor", np.asarray(value).dtype.kind, np.ndim(value))
    if isinstance(value, bool | int | float):
        return SeenKind("number", {bool: "b", int: "i"}.get(type(value), "f"), 0)
    if isinstance(value, tuple | list):
        return SeenKind("items", parts=tuple(map(kind_of, value)))
    if isinstance(value, np.dtype):
        return SeenKind("dtype")
    plain = {str: "text", type(None): "none", ModuleType: "module", slice: "slice", type(...): "none"}
    return SeenKind(plain.get(type(value), "other"))


def kind(node: ast.AST) -> SeenKind:
    """The kind that was seen of an expression."""
    found: SeenKind = getattr(node, "seen", UNKNOWN)
    return found


def with_kind(node: _N, seen: SeenKind) -> _N:
    """The expression, with its kind."""
    node.seen = seen  # type: ignore[attr-defined]
    return node


def has_run(statement: ast.stmt) -> bool:
    """Whether a statement ran in the example."""
    return bool(getattr(statement, "has_run", False))


def shares_memory(node: ast.AST) -> bool:
    """Whether another name had memory of what a statement writes into."""
    return bool(getattr(node, "shares", False))


@dataclass(eq=False)
class SeenClass:
    """The class's syntax tree, its expressions with their kinds; `held` is the layer before forward ran."""

    tree: ast.ClassDef
    space: Mapping[str, Any]
    held: Any
    kinds: dict[int, set[SeenKind]] = field(default_factory=dict)
    ran: set[int] = field(default_factory=set)
    sharing: set[int] = field(default_factory=set)

    # --- the hooks ----------------------------------------------------------------------------------------------------

    def note(self, place: int, value: Any, parts: Sequence[int] = ()) -> Any:
        """Note an expression's value; a number that NumPy makes of Python's numbers is one of Python."""
        if parts and isinstance(value, np.generic) and all(self._is_plain(part) for part in parts):
            value = value.item()
        self.kinds.setdefault(place, set()).add(kind_of(value))
        return value

    def _is_plain(self, place: int) -> bool:
        seen = self.kinds.get(place, set())
        return bool(seen) and all(one.is_plain or one.what == "module" for one in seen)

    def writes(self, place: int, base: Any, names: Mapping[str, Any]) -> None:
        """Note whether memory that is written into has another name."""
        if not isinstance(base, np.ndarray):
            return
        layer = names.get("self")
        others = [*names.values(), *(vars(layer).values() if layer is not None else ())]
        alike = [o for item in others for o in flat(item) if isinstance(o, np.ndarray) and np.shares_memory(o, base)]
        if len(alike) > 1:
            self.sharing.add(place)


def seen(source: str, name: str, original: type, subject: ForwardSubject, wanted: Iterable[str]) -> SeenClass:
    """Run forward and backward of a class once, and note the kind of every expression.

    `wanted` are the inputs and attributes that have a gradient: numbers among them count as tensors.
    """
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.ClassDef)
    space = {**getattr(original, subject.methods[0]).__globals__, "np": np}
    tree = written_out(tree, original, space)
    for place, node in enumerate(ast.walk(tree)):
        node.place = place  # type: ignore[attr-defined]
    found = SeenClass(tree, space, None)
    watched = _Watching().visit(deep_copy(tree))
    hooks = {_KIND: found.note, _RAN: found.ran.add, _WRITES: found.writes}
    inside = {**space, **hooks}
    exec(compile(ast.fix_missing_locations(ast.Module([watched], [])), "<styled>", "exec"), inside)
    with quiet():
        layer = subject.instance(inside[name])
        _as_tensors(layer, wanted)
        found.held = deep_copy(layer)
        ordered, keywords = subject.arguments
        names = [p.name for p in subject.target.inputs()]
        ordered = [_tensor(item) if n in wanted else item for n, item in zip(names, ordered, strict=False)]
        outputs = list(flat(layer.forward(*ordered, **keywords)))
        layer.backward(*(np.ones_like(out, dtype=np.result_type(out, np.float32))[()] for out in outputs))
    for node in ast.walk(tree):
        place = node.place  # type: ignore[attr-defined]
        with_kind(node, _joined(found.kinds.get(place, set())))
        node.has_run = place in found.ran  # type: ignore[attr-defined]
        node.shares = place in found.sharing  # type: ignore[attr-defined]
    return found


def _joined(kinds: set[SeenKind]) -> SeenKind:
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds and len({(one.what, one.dtype) for one in kinds}) == 1:
        one = next(iter(kinds))
        return SeenKind(one.what, one.dtype)
    if kinds and {one.what for one in kinds} == {"number", "tensor"} and "b" not in {one.dtype for one in kinds}:
        return SeenKind("mixed", "f")
    return UNKNOWN


def _as_tensors(layer: Any, wanted: Iterable[str]) -> None:
    for path in wanted:
        name = path.removeprefix("self.")
        if path.startswith("self.") and name.isidentifier() and hasattr(layer, name):
            setattr(layer, name, _tensor(getattr(layer, name)))


def _tensor(item: Any) -> Any:
    return np.float64(item) if type(item) in (int, float) else item


class _Watching(ast.NodeTransformer):
    """Adds a hook around each expression that is read, and before each statement."""

    def __init__(self) -> None:
        self.inside = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """Only the two methods are of interest."""
        if node.name not in ("forward", "backward") or self.inside:
            return node
        self.inside = True
        node.body = self._statements(node.body)
        self.inside = False
        return node

    def _statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            place = ast.Constant(statement.place)  # type: ignore[attr-defined]
            hooks = [_call(_RAN, place)]
            base = written_base(statement)
            if base is not None:
                read: ast.expr = deep_copy(base)
                read.ctx = ast.Load()  # type: ignore[attr-defined]
                hooks.append(_call(_WRITES, place, read, ast.Call(ast.Name("locals", ast.Load()), [], [])))
            for name in ("body", "orelse", "finalbody"):
                if isinstance(getattr(statement, name, None), list):
                    setattr(statement, name, self._statements(getattr(statement, name)))
            for name, value in ast.iter_fields(statement):
                if isinstance(value, ast.expr):
                    setattr(statement, name, self.visit(value))
                elif name in {"targets", "items"}:
                    setattr(statement, name, [self.visit(item) for item in value])
            made += [*(ast.Expr(hook) for hook in hooks), statement]
        return made

    def visit(self, node: ast.AST) -> Any:
        """Wrap an expression that is read."""
        if not self.inside or not isinstance(node, ast.expr) or isinstance(node, ast.Starred | ast.Slice):
            return super().visit(node)
        place = ast.Constant(node.place)  # type: ignore[attr-defined]
        parts: list[ast.expr] = []
        if isinstance(node, ast.Call):
            over = [*node.args, *(k.value for k in node.keywords)]
            over += [node.func.value] if isinstance(node.func, ast.Attribute) else []
            starred = any(isinstance(item, ast.Starred) for item in over)
            parts = [] if starred else [ast.Constant(item.place) for item in over]  # type: ignore[attr-defined]
        made = self.generic_visit(node)
        assert isinstance(made, ast.expr)
        if isinstance(node, ast.JoinedStr | ast.FormattedValue):
            return made
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return made
        return _call(_KIND, place, made, ast.Tuple(parts, ast.Load()))


def written_base(statement: ast.stmt) -> ast.expr | None:
    """The name or attribute that a statement writes into in place."""
    target: ast.expr | None = None
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        target = statement.targets[0]
    elif isinstance(statement, ast.AugAssign):
        target = statement.target
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        if isinstance(function, ast.Attribute):
            is_at = function.attr == "at" and statement.value.args
            target = statement.value.args[0] if is_at else function.value
    while isinstance(target, ast.Subscript):
        target = target.value
    return target if isinstance(target, ast.Name | ast.Attribute) else None


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])
