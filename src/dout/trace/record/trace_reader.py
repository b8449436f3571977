"""A saved document becomes a trace again. Nothing in it is executed, and every part is checked before it is used."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from dout.errors import DocumentError, visible
from dout.files import regular
from dout.graph import CONSTANT, INPUT, Graph, Node, Where
from dout.ops import PRIMITIVES
from dout.ops.operators import Slot
from dout.ops.reduce import PLACES
from dout.ops.shape import in_memory_order
from dout.trace.model.bulk_objects import collection_paused
from dout.trace.model.recorded import Annotated, Draw, Event, Gradient, LayerCall, Parameter, Source, Use, Value
from dout.trace.model.trace_writer import VERSION
from dout.trace.record.trace import Trace
from dout.trace.tracer.random_draws import can_draw

_BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError, MemoryError)
_MOST = 200  # characters of what is wrong
_SIZED = frozenset({"shape", "repeats", "reps", "width", "k", "window", "selected"})  # static parameters that are sizes
_T = TypeVar("_T")


def load(path: str | Path) -> Trace:
    """Read a trace that was saved with `Trace.save` or `dout show TARGET -o trace.json`. Nothing in it is executed.

    Raises DocumentError for what is not one, or one of another version.
    """
    with collection_paused():
        try:
            document = json.loads(regular(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            raise DocumentError(f"{path} is not a trace document: {_said(error)}") from None
        return from_document(document, str(path))


def from_document(document: Any, origin: str = "the document") -> Trace:
    """Return the trace that a document describes. Raises DocumentError."""
    if not isinstance(document, dict) or "dout" not in document:
        raise DocumentError(f'{origin} is not a trace document: it has no "dout": {VERSION}')
    if document["dout"] != VERSION:
        raise DocumentError(f"{origin} has version {_short(repr(document['dout']))}, this dout reads {VERSION}")
    try:
        return _Reader(document, origin).trace()
    except _BROKEN as error:
        raise _not_whole(origin, error) from None


def _not_whole(origin: str, error: Exception) -> DocumentError:
    return DocumentError(f"{origin} is not a whole trace document: {type(error).__name__} {_said(error)}")


def _said(error: Exception) -> str:
    return _short(visible(str(error)))


def _short(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]} …"


class _Reader:
    def __init__(self, document: dict[str, Any], origin: str) -> None:
        self.document = document
        self.origin = origin
        self.entries = _by_id(document["values"])
        self.from_node = _by_id(document["nodes"])
        for identity, entry in self.from_node.items():
            _sure(self.entries[entry["output"]]["from"] == identity, "a node and its value name each other differently")
        self.nodes: dict[str, Node] = {}  # by value id
        for identity, entry in self.entries.items():
            self.nodes[identity] = self._node(identity, entry)
        self.data = {self.nodes[i]: _decoded(e, self.nodes[i]) for i, e in self.entries.items()}
        self.by_node_id = {i: self.nodes[entry["output"]] for i, entry in self.from_node.items()}
        self.calls: dict[str, LayerCall] = {}
        for identity, entry in _by_id(document["layers"]).items():
            self.calls[identity] = self._call(entry)

    def trace(self) -> Trace:
        made = {i: e if e["from"] is None else self.from_node[e["from"]] for i, e in self.entries.items()}
        seeds = {self.nodes[a]: self.nodes[b] for a, b in self.document.get("seeds", {}).items()}
        _sure(all(a.shape == b.shape for a, b in seeds.items()), "an upstream gradient has another shape")
        inputs = self._named("inputs")
        _sure(all(node.primitive is INPUT for node in inputs.values()), "an input was made by a node")
        return Trace(
            target=_text(self.document["target"]),
            graph=Graph(tuple(self.nodes.values()), inputs, self._named("outputs")),
            data=self.data,
            names={self.nodes[i]: _text(e["name"]) for i, e in self.entries.items() if e["name"] is not None},
            calls=tuple(self.calls.values()),
            call_of={self.nodes[i]: self.calls[e["layer"]] for i, e in made.items() if e.get("layer") is not None},
            backward=frozenset(self.nodes[i] for i, e in made.items() if e.get("phase") == "backward"),
            events=tuple(Event(_text(e["kind"]), _text(e["message"]), _where(e)) for e in self.document["events"]),
            printed=_text(self.document["printed"]),
            seeds=seeds,
            steered=frozenset(self.nodes[i] for i in self.document.get("steered", ())),
            draws={self.nodes[i]: self._draw(i, e["draw"]) for i, e in self.entries.items() if "draw" in e},
            stored=lambda: self._annotated(self.data),
        )

    def _annotated(self, data: Mapping[Node, Any]) -> Annotated:
        """The values and the edges into layers with their gradients, as the document has them: nothing is derived."""
        try:
            with collection_paused():
                values = tuple(self._value(i, e, data) for i, e in self.entries.items())
                arguments = {self.calls[e["id"]]: self._arguments(e) for e in self.document["layers"]}
        except _BROKEN as error:
            raise _not_whole(self.origin, error) from None
        return values, arguments

    def _arguments(self, entry: dict[str, Any]) -> tuple[Use, ...]:
        call = self.calls[entry["id"]]
        given = entry.get("arguments") or [{}] * len(call.inputs)
        return tuple(
            Use(None, call, i, _gradient(argument))
            for i, (argument, _) in enumerate(zip(given, call.inputs, strict=True))
        )

    def _node(self, identity: str, entry: dict[str, Any]) -> Node:
        dtype = np.dtype(bool) if entry.get("numpy") else _dtype(entry["dtype"])
        shape = _shape(entry["shape"])
        _sure(not shape or not isinstance(dtype, type), "a plain number has a shape")
        if entry["from"] is None:
            if entry.get("constant"):
                return Node(CONSTANT, (), {"value": _number(entry["value"], dtype)}, shape, dtype, _where(entry))
            return Node(INPUT, (), {}, shape, dtype, _where(entry))
        made = self.from_node[entry["from"]]
        _sure(made["output"] == identity, "a value names a node that made another value")
        inputs = tuple(self.nodes[i] for i in made["inputs"])
        static = {_text(key): decode_static(item) for key, item in made.get("static", {}).items()}
        name = _text(made["primitive"])
        _sure(name in PRIMITIVES, f"no primitive is named {_short(name)}")
        node = Node(PRIMITIVES[name], inputs, static, shape, dtype, _where(made))
        _check_static(node)
        return node

    def _call(self, entry: dict[str, Any]) -> LayerCall:
        def nodes(ids: list[str | None] | None, of: list[str]) -> tuple[Node | None, ...] | None:
            if ids is None:
                return None
            _sure(len(ids) == len(of), "a layer has more or fewer gradients than values")
            return tuple(None if i is None else self.nodes[i] for i in ids)

        return LayerCall(
            _text(entry["name"]),
            _text(entry["class"]),
            tuple(self.nodes[i] for i in entry["inputs"]),
            tuple(self.nodes[i] for i in entry["outputs"]),
            None if entry.get("parent") is None else self.calls[entry["parent"]],
            _where(entry),
            nodes(entry.get("douts"), entry["outputs"]),
            nodes(entry.get("gradients"), entry["inputs"]),
            tuple(
                Parameter(_text(p["name"]), self.nodes[p["value"]], self.nodes[p["gradient"]], _one_of(_BY, p["by"]))
                for p in entry.get("parameters", ())
            ),
        )

    def _value(self, identity: str, entry: dict[str, Any], data: Mapping[Node, Any]) -> Value:
        node = self.nodes[identity]
        name = None if entry["name"] is None else _text(entry["name"])
        return Value(node, data, name, tuple(self._use(node, use) for use in entry["uses"]), _gradient(entry))

    def _use(self, node: Node, entry: dict[str, Any]) -> Use:
        user = None if entry["node"] is None else self.by_node_id[entry["node"]]
        call = None if entry["layer"] is None else self.calls[entry["layer"]]
        argument = _whole(entry["argument"])
        used = user.inputs if user is not None else call.inputs if call is not None else ()
        _sure(used[argument] is node, "a value lists a use of another value")
        return Use(user, call, argument, _gradient(entry))

    def _named(self, key: str) -> dict[str, Node]:
        return {_text(name): self.nodes[i] for name, i in self.document.get(key, {}).items()}

    def _draw(self, identity: str, entry: dict[str, Any]) -> Draw:
        node = self.nodes[identity]
        arguments = tuple(map(decode_static, entry["arguments"]))
        keywords = {_text(key): decode_static(item) for key, item in entry["keywords"].items()}
        draw = Draw(_one_of(("RandomState", "Generator"), entry["generator"]), entry["method"], arguments, keywords)
        _sure(self.data[node] is None or isinstance(self.data[node], np.ndarray), "a drawn value is not an array")
        _sure(can_draw(draw, node.shape), f"{entry['method']} draws no array of shape {node.shape}")
        return draw


# --- parts, each checked before it is used ----------------------------------------------------------------------------

_BY: tuple[Literal["name", "position", "shape", "update"], ...] = ("name", "position", "shape", "update")


def _sure(holds: bool, what_is_not: str) -> None:
    if not holds:
        raise ValueError(what_is_not)


def _by_id(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {_text(entry["id"]): entry for entry in entries}
    _sure(len(found) == len(entries), "two entries have the same id")
    return found


def _text(item: Any) -> str:
    _sure(isinstance(item, str), f"a {type(item).__name__} stands where a text should")
    return item  # type: ignore[no-any-return]


def _whole(item: Any) -> int:
    _sure(type(item) is int and 0 <= item < 1 << 62, f"{_short(str(item))} is not a valid count")
    return item  # type: ignore[no-any-return]


def _one_of(names: Iterable[_T], item: Any) -> _T:
    for name in names:
        if name == item:
            return name
    raise ValueError(f"nothing is named {_short(str(item))} there")


def _shape(item: Any) -> tuple[int, ...]:
    shape = tuple(_whole(n) for n in item)
    _sure(len(shape) <= 64 and math.prod(shape) < 1 << 62, "no array has such a shape")
    return shape


def _check_static(node: Node) -> None:
    """Check the static parameters of a node: functions are those of the row, sizes give the shape of the result."""
    if node.primitive is PRIMITIVES["places"]:
        _one_of(PLACES, node.static["function"])
    if node.static.keys() & _SIZED:
        assert node.primitive.infer is not None
        shape, _ = node.primitive.infer(node.primitive, node.inputs, node.static)
        _sure(shape == node.shape, f"{node.primitive} gives no array of shape {node.shape}")


def _where(entry: dict[str, Any]) -> Where | None:
    return None if entry.get("file") is None else Where(_text(entry["file"]), _whole(entry["line"]))


def _dtype(name: Any) -> Any:
    plain = {"int": int, "float": float, "bool": bool, "complex": complex}.get(_text(name))
    return plain or _array_dtype(name)


def _array_dtype(name: Any) -> Any:
    dtype = np.dtype(_text(name))
    _sure(dtype.kind in "biufc", f"{dtype} is no dtype of numbers")
    return dtype


def _number(value: Any, dtype: Any) -> Any:
    if dtype is int and isinstance(value, str):
        return int(value, 16)
    _sure(isinstance(value, bool | int | float | str), "a number is written as something else")
    return dtype(value) if isinstance(dtype, type) else np.array(value).astype(dtype)[()]


def _decoded(entry: dict[str, Any], node: Node) -> Any:
    value = entry["value"]
    if isinstance(value, dict) or value is None:
        return None  # summarised: the numbers are not in the document
    if isinstance(value, list):
        return in_memory_order(_array(value, node.dtype, node.shape), _order(entry.get("order", "C"), node))
    _sure(node.shape == (), "a number stands where an array should")
    number = _number(value, node.dtype)
    return np.array(number, np.dtype(node.dtype)) if entry.get("array") else number


def _order(item: Any, node: Node) -> Any:
    """How an array lies in memory: "C", "F", or its axes from the outermost to the innermost."""
    if isinstance(item, str):
        return _one_of(("C", "F"), item)
    _sure(sorted(item) == list(range(len(node.shape))), "an array lies in memory along other axes than it has")
    return [_whole(axis) for axis in item]


def _array(value: list[Any], dtype: Any, shape: tuple[int, ...] | None) -> Any:
    array = np.array(value, dtype=np.dtype(dtype))
    return array if shape is None else array.reshape(shape)


def _gradient(entry: dict[str, Any]) -> Gradient | None:
    if entry.get("gradient") is None:
        return None
    source: Source = "user" if entry["source"] == "user" else "dout"
    return Gradient(_plain(entry, "gradient"), source, _plain(entry, "expected"))


def _plain(entry: dict[str, Any], key: str) -> Any:
    """A gradient's number or array; the entry `…_as` gives a dtype and shape that the digits do not."""
    value, kind = entry.get(key), entry.get(f"{key}_as")
    if value is None or isinstance(value, dict):
        return None
    if kind is not None:
        dtype, shape = _array_dtype(kind["dtype"]), kind.get("shape")
        if isinstance(value, list):
            return _array(value, dtype, _shape(shape))
        number = _number(value, dtype)
        return number if shape is None else np.array(number, dtype)
    if isinstance(value, list):
        array = np.array(value)
        array = np.vectorize(_spelt)(array) if array.dtype.kind == "U" else array
        _array_dtype(array.dtype.name)
        return array
    _sure(isinstance(value, bool | int | float | str), "a gradient is not a number")
    return _spelt(value) if isinstance(value, str) else value


def _spelt(text: str) -> int | float | complex:
    """A number that JSON has none for: "nan", "inf", "(1+2j)", "0x…"."""
    if text.removeprefix("-").startswith("0x"):
        return int(text, 16)
    return complex(text) if text.endswith(("j", "j)")) else float(text)


def decode_static(item: Any) -> Any:
    """The inverse of `encode_static`.

    >>> from dout.trace.model.trace_writer import encode_static
    >>> decode_static(encode_static((slice(None), Ellipsis, 3)))
    (slice(None, None, None), Ellipsis, 3)
    """
    if isinstance(item, dict):
        ((kind, content),) = item.items()
        kinds: dict[str, Callable[[], Any]] = {
            "slot": lambda: Slot(_whole(content)),
            "ellipsis": lambda: Ellipsis,
            "slice": lambda: slice(*content),
            "dtype": lambda: _array_dtype(content),
            "tuple": lambda: tuple(decode_static(part) for part in content),
        }
        return kinds[kind]()
    return item
