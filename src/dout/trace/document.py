"""A trace is a document: versioned JSON that says all a reader needs, and loads back into a trace.

    {"dout": 1, "target", "printed", "layers": […], "nodes": […], "values": […], "events": […]}

Scalars are JSON numbers, arrays nested lists; NaN and infinities are the strings "nan", "inf", "-inf". An array of more
than `limit` elements is summarised, and its entry says so; a trace with such values loads and draws, but cannot be
replayed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dout.errors import DocumentError
from dout.graph import CONSTANT, INPUT, Graph, Node, Primitive, Where, dtype_name
from dout.ops import PRIMITIVES
from dout.ops.shape import in_memory_order, memory_order
from dout.ops.standin import Slot
from dout.trace.collection import collection_paused
from dout.trace.model import Annotated, Event, Gradient, LayerCall, Parameter, Source, Trace, Use, Value

VERSION = 1
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError)
LIMIT = 10_000  # elements of an array that are written out


# --- trace → document -------------------------------------------------------------------------------------------------


def to_document(trace: Trace, limit: int | None = LIMIT) -> dict[str, Any]:
    """Return the document of a trace, of plain dicts, lists, strings and numbers."""
    value_id = {node: f"v{i}" for i, node in enumerate(trace.graph.nodes)}
    made = [node for node in trace.graph.nodes if node.primitive not in (INPUT, CONSTANT)]
    node_id = {node: f"n{i}" for i, node in enumerate(made)}
    layer_id = {call: f"l{i}" for i, call in enumerate(trace.calls)}

    def gradient(given: Gradient | None) -> dict[str, Any]:
        if given is None:
            return {"gradient": None, "source": None}
        entry = {"gradient": encode(given.value, limit), "source": given.source}
        return entry if given.expected is None else {**entry, "expected": encode(given.expected, limit)}

    def layer(call: LayerCall) -> dict[str, Any]:
        return {
            "id": layer_id[call],
            "name": call.name,
            "class": call.cls,
            "inputs": [value_id[n] for n in call.inputs],
            "outputs": [value_id[n] for n in call.outputs],
            **_place(call.where),
            "parent": layer_id[call.parent] if call.parent else None,
            "douts": _ids(call.douts, value_id),
            "gradients": _ids(call.gradients, value_id),
            "arguments": [gradient(use.gradient) for use in trace.arguments[call]],
            "parameters": [
                {"name": p.name, "value": value_id[p.node], "gradient": value_id[p.gradient], "by": p.by}
                for p in call.parameters
            ],
        }

    def node(n: Node) -> dict[str, Any]:
        return {
            "id": node_id[n],
            "primitive": n.primitive.name,
            "symbol": n.primitive.symbol,
            "inputs": [value_id[i] for i in n.inputs],
            "output": value_id[n],
            "layer": layer_id.get(trace.call_of.get(n)),  # type: ignore[arg-type]
            "phase": "backward" if n in trace.backward else "forward",
            **_place(n.where),
            "static": {key: encode_static(item) for key, item in n.static.items()},
        }

    def value(v: Value) -> dict[str, Any]:
        entry = {
            "id": value_id[v.node],
            "name": v.name,
            "value": encode(v.data, limit),
            "shape": list(v.shape),
            "dtype": dtype_name(v.dtype),
            "from": node_id.get(v.node),
            "uses": [
                {
                    "node": node_id.get(use.node) if use.node else None,
                    "layer": layer_id.get(use.call) if use.call else None,
                    "argument": use.argument,
                    **gradient(use.gradient),
                }
                for use in v.uses
            ],
            **gradient(v.gradient),
        }
        if v.node.primitive is CONSTANT:
            entry["constant"] = True
        if v.node.primitive in (INPUT, CONSTANT):
            entry["layer"] = layer_id.get(trace.call_of.get(v.node))  # type: ignore[arg-type]
            entry["phase"] = "backward" if v.node in trace.backward else "forward"
            entry.update(_place(v.node.where))
        if v.node.primitive is INPUT and (order := memory_order(v.data)) != "C":
            entry["order"] = order  # NumPy's sums and products depend on it in the last bit
        if not isinstance(v.dtype, type) and v.dtype == np.bool_:
            entry["numpy"] = True  # NumPy's bool, not Python's: they have one name
        if isinstance(v.data, np.ndarray) and not v.shape:
            entry["array"] = True  # an array of no axes, which is not a number
        return entry

    return {
        "dout": VERSION,
        "target": trace.target,
        "printed": trace.printed,
        "layers": [layer(call) for call in trace.calls],
        "nodes": [node(n) for n in made],
        "values": [value(v) for v in trace.values],
        "events": [{"kind": e.kind, "message": e.message, **_place(e.where)} for e in trace.events],
        "inputs": {name: value_id[n] for name, n in trace.graph.inputs.items()},
        "outputs": {name: value_id[n] for name, n in trace.graph.outputs.items()},
        "seeds": {value_id[n]: value_id[d] for n, d in trace.seeds.items()},
    }


def save(trace: Trace, path: str | Path) -> None:
    """Write the whole document of a trace, arrays of any size included, so that it loads and replays."""
    with collection_paused():
        text = json.dumps(to_document(trace, limit=None), ensure_ascii=False, check_circular=False)
    Path(path).write_text(text, encoding="utf-8")


def encode(value: Any, limit: int | None = LIMIT) -> Any:
    """Encode one number or array.

    >>> encode(np.array([1.5, np.inf]))
    [1.5, 'inf']
    """
    if isinstance(value, np.ndarray):
        if limit is not None and value.size > limit:
            return _summary(value)
        plain = value.tolist()
        finite = value.dtype.kind in "iub" or (value.dtype.kind == "f" and _all_finite(value))
        return plain if finite else _each(plain)
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, complex) else value


def _all_finite(value: np.ndarray[Any, Any]) -> bool:
    return math.isfinite(sum(value.ravel().tolist())) or bool(np.isfinite(value).all())  # the first is quicker


def _each(plain: Any) -> Any:
    return [_each(part) for part in plain] if isinstance(plain, list) else encode(plain)


def _summary(value: np.ndarray[Any, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"summarised": True, "size": value.size, "shape": list(value.shape)}
    if value.dtype.kind in "biuf":
        finite = value[np.isfinite(value)]
        entry.update(nan=int(np.isnan(value).sum()), infinite=int(np.isinf(value).sum()))
        if finite.size:
            entry.update(min=encode(finite.min()), max=encode(finite.max()), mean=encode(finite.mean(dtype=float)))
    return entry


def encode_static(item: Any) -> Any:
    """Encode a static parameter: what JSON cannot say is an object with one key that names its kind."""
    if isinstance(item, Slot):
        return {"slot": int(item)}
    if item is Ellipsis:
        return {"ellipsis": True}
    if isinstance(item, slice):
        return {"slice": [item.start, item.stop, item.step]}
    if isinstance(item, np.dtype):
        return {"dtype": item.str}
    if isinstance(item, tuple):
        return {"tuple": [encode_static(part) for part in item]}
    return encode(item)


def _place(where: Where | None) -> dict[str, Any]:
    return {"file": where.file if where else None, "line": where.line if where else None}


def _ids(nodes: tuple[Node | None, ...] | None, ids: Mapping[Node, str]) -> list[str | None] | None:
    return None if nodes is None else [ids.get(n) if n else None for n in nodes]


# --- document → trace -------------------------------------------------------------------------------------------------


def load(path: str | Path) -> Trace:
    """Read a trace document. Nothing in it is executed.

    Raises DocumentError for what is not one, or one of another version.
    """
    with collection_paused():
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
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


def _dtype(name: str) -> Any:
    return {"int": int, "float": float, "bool": bool, "complex": complex}.get(name) or np.dtype(name)


def _number(value: Any, dtype: Any) -> Any:
    value = float(value) if isinstance(value, str) and dtype not in (complex, np.dtype(complex)) else value
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
        return array.astype(float) if array.dtype.kind == "U" else array  # "nan" and "inf" are spelt out
    return float(value) if isinstance(value, str) else value


def decode_static(item: Any) -> Any:
    """The inverse of `encode_static`.

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
