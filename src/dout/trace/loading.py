"""A saved document becomes a trace again. Nothing in it is executed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dout.errors import DocumentError
from dout.files import regular
from dout.graph import CONSTANT, INPUT, Graph, Node, Primitive, Where
from dout.ops import PRIMITIVES
from dout.ops.shape import in_memory_order
from dout.ops.standin import Slot
from dout.trace.collection import collection_paused
from dout.trace.document import VERSION
from dout.trace.model import Annotated, Draw, Event, Gradient, LayerCall, Parameter, Source, Trace, Use, Value

_BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError)


def load(path: str | Path) -> Trace:
    """Read a trace that was saved with `Trace.save` or `dout show TARGET -o trace.json`. Nothing in it is executed.

    Raises DocumentError for what is not one, or one of another version.
    """
    with collection_paused():
        try:
            document = json.loads(regular(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise DocumentError(f"{path} is not a trace document: {error}") from None
        return from_document(document, str(path))


def from_document(document: Any, origin: str = "the document") -> Trace:
    """Return the trace that a document describes. Raises DocumentError."""
    if not isinstance(document, dict) or "dout" not in document:
        raise DocumentError(f'{origin} is not a trace document: it has no "dout": {VERSION}')
    if document["dout"] != VERSION:
        raise DocumentError(f"{origin} has version {document['dout']!r}, this dout reads {VERSION}")
    try:
        return _Reader(document).trace()
    except _BROKEN as error:
        raise DocumentError(f"{origin} is not a whole trace document: {type(error).__name__} {error}") from None


class _Reader:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.entries = {entry["id"]: entry for entry in document["values"]}
        self.from_node = {entry["id"]: entry for entry in document["nodes"]}
        self.nodes: dict[str, Node] = {}  # by value id
        for identity, entry in self.entries.items():
            self.nodes[identity] = self._node(entry)
        self.by_node_id = {entry["id"]: self.nodes[entry["output"]] for entry in document["nodes"]}
        self.calls: dict[str, LayerCall] = {}
        for entry in document["layers"]:
            self.calls[entry["id"]] = self._call(entry)

    def trace(self) -> Trace:
        made = {**self.entries, **{self.from_node[e["from"]]["output"]: self.from_node[e["from"]]
                                   for e in self.entries.values() if e["from"]}}  # fmt: skip
        data = {self.nodes[i]: _decoded(e, self.nodes[i]) for i, e in self.entries.items()}
        return Trace(
            target=str(self.document["target"]),
            graph=Graph(tuple(self.nodes.values()), self._named("inputs"), self._named("outputs")),
            data=data,
            names={self.nodes[i]: str(e["name"]) for i, e in self.entries.items() if e["name"] is not None},
            calls=tuple(self.calls.values()),
            call_of={self.nodes[i]: self.calls[e["layer"]] for i, e in made.items() if e.get("layer")},
            backward=frozenset(self.nodes[i] for i, e in made.items() if e.get("phase") == "backward"),
            events=tuple(Event(str(e["kind"]), str(e["message"]), _where(e)) for e in self.document["events"]),
            printed=str(self.document["printed"]),
            seeds={self.nodes[a]: self.nodes[b] for a, b in self.document.get("seeds", {}).items()},
            steered=frozenset(self.nodes[i] for i in self.document.get("steered", ())),
            draws={self.nodes[i]: _draw(e["draw"]) for i, e in self.entries.items() if "draw" in e},
            stored=lambda: self._annotated(data),
        )

    def _annotated(self, data: Mapping[Node, Any]) -> Annotated:
        """The values and the edges into layers with their gradients, as the document has them: nothing is derived."""
        try:
            with collection_paused():
                values = tuple(self._value(i, e, data) for i, e in self.entries.items())
                arguments = {
                    self.calls[e["id"]]: tuple(
                        Use(None, self.calls[e["id"]], i, _gradient(argument, self.nodes[e["inputs"][i]]))
                        for i, argument in enumerate(e.get("arguments") or [{}] * len(e["inputs"]))
                    )
                    for e in self.document["layers"]
                }
        except _BROKEN as error:
            raise DocumentError(f"not a whole trace document: {type(error).__name__} {error}") from None
        return values, arguments

    def _node(self, entry: dict[str, Any]) -> Node:
        dtype = np.dtype(bool) if entry.get("numpy") else _dtype(entry["dtype"])
        shape = tuple(int(n) for n in entry["shape"])
        if entry["from"] is None:
            if entry.get("constant"):
                return Node(CONSTANT, (), {"value": _number(entry["value"], dtype)}, shape, dtype, _where(entry))
            return Node(INPUT, (), {}, shape, dtype, _where(entry))
        made = self.from_node[entry["from"]]
        inputs = tuple(self.nodes[i] for i in made["inputs"])
        static = {str(key): decode_static(item) for key, item in made.get("static", {}).items()}
        return Node(_primitive(made), inputs, static, shape, dtype, _where(made))

    def _call(self, entry: dict[str, Any]) -> LayerCall:
        def nodes(ids: list[str | None] | None) -> tuple[Node | None, ...] | None:
            return None if ids is None else tuple(self.nodes[i] if i else None for i in ids)

        return LayerCall(
            str(entry["name"]),
            str(entry["class"]),
            tuple(self.nodes[i] for i in entry["inputs"]),
            tuple(self.nodes[i] for i in entry["outputs"]),
            self.calls[entry["parent"]] if entry.get("parent") else None,
            _where(entry),
            nodes(entry.get("douts")),
            nodes(entry.get("gradients")),
            tuple(
                Parameter(str(p["name"]), self.nodes[p["value"]], self.nodes[p["gradient"]], p["by"])
                for p in entry.get("parameters", ())
            ),
        )

    def _value(self, identity: str, entry: dict[str, Any], data: Mapping[Node, Any]) -> Value:
        node = self.nodes[identity]
        uses = tuple(
            Use(
                self.by_node_id[use["node"]] if use["node"] else None,
                self.calls[use["layer"]] if use["layer"] else None,
                int(use["argument"]),
                _gradient(use, node),
            )
            for use in entry["uses"]
        )
        name = None if entry["name"] is None else str(entry["name"])
        return Value(node, data[node], name, uses, _gradient(entry, node))

    def _named(self, key: str) -> dict[str, Node]:
        return {str(name): self.nodes[i] for name, i in self.document.get(key, {}).items()}


def _primitive(entry: dict[str, Any]) -> Primitive:
    name = str(entry["primitive"])
    if name not in PRIMITIVES:
        raise ValueError(f"no primitive is named {name}")
    return PRIMITIVES[name]


def _where(entry: dict[str, Any]) -> Where | None:
    return Where(str(entry["file"]), int(entry["line"])) if entry.get("file") else None


def _draw(entry: dict[str, Any]) -> Draw:
    if entry["generator"] not in ("RandomState", "Generator"):
        raise ValueError(f"no generator is named {entry['generator']}")
    return Draw(
        entry["generator"],
        str(entry["method"]),
        tuple(map(decode_static, entry["arguments"])),
        {str(key): decode_static(item) for key, item in entry["keywords"].items()},
    )


def _dtype(name: str) -> Any:
    return {"int": int, "float": float, "bool": bool, "complex": complex}.get(name) or np.dtype(name)


def _number(value: Any, dtype: Any) -> Any:
    if dtype is int and isinstance(value, str):
        return int(value, 16)
    return dtype(value) if isinstance(dtype, type) else dtype.type(value)


def _decoded(entry: dict[str, Any], node: Node) -> Any:
    value = entry["value"]
    if isinstance(value, dict) or value is None:
        return None  # summarised: the numbers are not in the document
    if not isinstance(value, list):
        number = _number(value, node.dtype)
        return np.array(number) if entry.get("array") else number
    return in_memory_order(np.array(value, dtype=np.dtype(node.dtype)).reshape(node.shape), entry.get("order", "C"))


def _gradient(entry: dict[str, Any], node: Node) -> Gradient | None:
    if entry.get("gradient") is None:
        return None
    source: Source = "user" if entry["source"] == "user" else "dout"
    return Gradient(_plain(entry["gradient"]), source, _plain(entry.get("expected")))


def _plain(value: Any) -> Any:
    """A gradient's number or array; its dtype is what the numbers say."""
    if isinstance(value, dict):
        return None
    if isinstance(value, list):
        array = np.array(value)
        return np.vectorize(_spelt)(array) if array.dtype.kind == "U" else array
    return _spelt(value) if isinstance(value, str) else value


def _spelt(text: str) -> int | float | complex:
    """A number that JSON has none for: "nan", "inf", "(1+2j)", "0x…"."""
    if text.removeprefix("-").startswith("0x"):
        return int(text, 16)
    return complex(text) if text.endswith(("j", "j)")) else float(text)


def decode_static(item: Any) -> Any:
    """The inverse of `encode_static`.

    >>> from dout.trace.document import encode_static
    >>> decode_static(encode_static((slice(None), Ellipsis, 3)))
    (slice(None, None, None), Ellipsis, 3)
    """
    if isinstance(item, dict):
        ((kind, content),) = item.items()
        kinds: dict[str, Callable[[], Any]] = {
            "slot": lambda: Slot(content),
            "ellipsis": lambda: Ellipsis,
            "slice": lambda: slice(*content),
            "dtype": lambda: np.dtype(content),
            "tuple": lambda: tuple(decode_static(part) for part in content),
        }
        return kinds[kind]()
    return item
