"""A network whose backward first asks a loss that forward has not: `d = self.loss.prime(y, self.out)`, then its parts.

What the loss gives is the network's upstream gradient, whatever loss it is: the same backward is given it as `dout`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from dout.adapt.argument_names import names_label, names_loss, taken_by
from dout.adapt.interface.method_pairs import names_backward, reads_and_writes
from dout.adapt.source.contained_parts import parts_in
from dout.adapt.source.syntax import Function, items_of, name_of, read, total, walk
from dout.run import function_copy
from dout.trace.model.user_source import behind

_DOUT = "dout"


class _Asked(NamedTuple):
    """Calls of a loss, all written alike, and the arguments of backward that nothing but these reads."""

    calls: list[ast.Call]
    place: int  # of the gradient in what they return; -1 where it is all of it
    only: frozenset[str]


@total(lambda: None)
def given_upstream(cls: type, forward: str, backward: str) -> type | None:
    """The class with a backward that takes what a loss would give it; None where it does not ask one so."""
    own = read(getattr(cls, backward))
    function = behind(getattr(cls, backward))
    if own is None or not own.me or function.__closure__ or [*own.node.args.args] != own.every_parameter:
        return None
    asked = _asked(cls, own, forward)
    if asked is None or _DOUT in {node.id for node in walk(own.node) if isinstance(node, ast.Name)}:
        return None
    made = _with_dout(function, own.node, asked)
    kept = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls)(cls.__name__, (cls,), {**kept, backward: made, "dout_pair": (forward, backward)})


def _asked(cls: type, own: Function, forward: str) -> _Asked | None:
    """The calls of a loss in a backward whose gradient goes to parts of the network; None where there are none."""
    parts = parts_in(cls)
    handed = {ast.unparse(item) for call in _calls_back(own) for item in call.args if parts}
    known = reads_and_writes(cls, forward)[0]
    for node in walk(own.node):
        value = node.value if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        if not isinstance(value, ast.Call) or not _is_of_a_loss(value, own, known, parts):
            continue
        places = [i for i, target in enumerate(items_of(node.targets[0])) if ast.unparse(target) in handed]
        if len(places) == 1:
            text = ast.unparse(value)
            calls = [n for n in walk(own.node) if isinstance(n, ast.Call) and ast.unparse(n) == text]
            inside = {id(part) for call in calls for part in walk(call)}
            others = {n.id for n in walk(own.node) if isinstance(n, ast.Name) and id(n) not in inside}
            only = frozenset({name_of(item) for item in _given(value)} & {*own.arguments} - others)
            return _Asked(calls, places[0] if isinstance(node.targets[0], ast.Tuple) else -1, only)
    return None


def _calls_back(own: Function) -> Iterator[ast.Call]:
    """The calls of a backward of another object, or of a function, with something."""
    for node in walk(own.node):
        if isinstance(node, ast.Call) and node.args and names_backward(name_of(node.func)):
            yield node


def _is_of_a_loss(call: ast.Call, own: Function, known: set[str], parts: str) -> bool:
    """Whether a call is given a label that backward takes, or is one of a loss that forward does not read."""
    held = {n.attr for n in walk(call.func) if isinstance(n, ast.Attribute) and name_of(n.value) == own.me}
    names = {name_of(n) for n in walk(call.func) if isinstance(n, ast.Name | ast.Attribute)}
    labels = [item for item in _given(call) if name_of(item) in own.arguments and names_label(name_of(item))]
    is_asked = bool(labels) or (not _given(call) and any(map(names_loss, names)))
    return is_asked and held.isdisjoint({*known, parts})


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _with_dout(function: FunctionType, node: ast.AST, asked: _Asked) -> FunctionType:
    """The function with `dout` in place of these calls, in the lines of its file, without what they alone have read."""
    new = _replaced(node, {id(call): _given_there(asked.place) for call in asked.calls})
    own, *others = new.args.args
    new.args.args = [own, ast.arg(_DOUT), *(one for one in others if one.arg not in asked.only)]
    new.args.defaults, new.decorator_list = [], []
    code = compile(ast.fix_missing_locations(ast.Module([new], [])), function.__code__.co_filename, "exec")
    made = function_copy(function)
    made.__code__ = next(item for item in code.co_consts if isinstance(item, CodeType))
    defaults = {p.name: p.default for p in taken_by(function) if p.default is not p.empty}
    made.__defaults__ = tuple(item for name, item in defaults.items() if name not in asked.only)
    return made


def _replaced(node: Any, stands: Mapping[int, ast.expr]) -> Any:
    """The syntax tree with others in the places of some nodes, and in their lines."""
    if isinstance(node, list):
        return [_replaced(item, stands) for item in node]
    if not isinstance(node, ast.AST):
        return node
    inner = {field: _replaced(value, stands) for field, value in ast.iter_fields(node)}
    return ast.copy_location(stands.get(id(node)) or type(node)(**inner), node)


def _given_there(place: int) -> ast.expr:
    """The gradient, in its place among what a loss returns."""
    dout = ast.Name(_DOUT, ast.Load())
    nothing: list[ast.expr] = [ast.Constant(None)] * max(place, 0)
    return dout if place < 0 else ast.Tuple([*nothing, dout], ast.Load())
