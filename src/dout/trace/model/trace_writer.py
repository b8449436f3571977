"""A trace is a document: versioned JSON that says all a reader needs. `dout.trace.record.trace_reader` reads it back.

    {"dout": 1, "target", "printed", "layers": […], "nodes": […], "values": […], "events": […]}

Scalars are JSON numbers, arrays nested lists; NaN and infinities are the strings "nan", "inf", "-inf", and a whole
number of more than 600 digits is a string of hexadecimal ones, "0x…", which Python reads however many. An array of more
than `limit` elements is summarised, and its entry says so; a trace with such values loads and draws, but cannot be
replayed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dout.files import Kind, refuse, write
from dout.graph import CONSTANT, INPUT, DType, Node, Where, dtype_name
from dout.ops.operators import Slot
from dout.ops.shape import memory_order
from dout.trace.model.annotated import AnnotatedRun
from dout.trace.model.bulk_objects import collection_paused
from dout.trace.model.recorded import Gradient, LayerCall, Use, Value

VERSION = 1
DOCUMENT = Kind("a trace document", (".json",), rb'\A\s*\{\s*"dout":\s*\d')
LIMIT = 10_000  # elements of an array that are written out
_LONG = 2_000  # bits of a whole number; with so few, every Python reads and writes its digits


def to_document(trace: AnnotatedRun, limit: int | None = LIMIT) -> dict[str, Any]:
    """Return the document of a trace, of plain dicts, lists, strings and numbers."""
    return _Writer(trace, limit).document()


class _Writer:
    def __init__(self, trace: AnnotatedRun, limit: int | None) -> None:
        self.trace = trace
        self.limit = limit
        self.made = [node for node in trace.graph.nodes if node.primitive not in (INPUT, CONSTANT)]
        self.value_id = {node: f"v{i}" for i, node in enumerate(trace.graph.nodes)}
        self.node_id = {node: f"n{i}" for i, node in enumerate(self.made)}
        self.layer_id = {call: f"l{i}" for i, call in enumerate(trace.calls)}

    def document(self) -> dict[str, Any]:
        trace, ids = self.trace, self.value_id
        return {
            "dout": VERSION,
            "target": trace.target,
            "printed": trace.printed,
            "layers": [self._layer(call) for call in trace.calls],
            "nodes": [self._node(node) for node in self.made],
            "values": [self._value(value) for value in trace.values],
            "events": [{"kind": e.kind, "message": e.message, **_place(e.where)} for e in trace.events],
            "inputs": {name: ids[node] for name, node in trace.graph.inputs.items()},
            "outputs": {name: ids[node] for name, node in trace.graph.outputs.items()},
            "steered": [ids[node] for node in trace.graph.nodes if node in trace.steered],
            "seeds": {ids[node]: ids[dout] for node, dout in trace.seeds.items()},
        }

    def _layer(self, call: LayerCall) -> dict[str, Any]:
        ids = self.value_id
        return {
            "id": self.layer_id[call],
            "name": call.name,
            "class": call.cls,
            "inputs": [ids[node] for node in call.inputs],
            "outputs": [ids[node] for node in call.outputs],
            **_place(call.where),
            "parent": self.layer_id[call.parent] if call.parent else None,
            "douts": _ids(call.douts, ids),
            "gradients": _ids(call.gradients, ids),
            "arguments": [self._gradient(use.gradient) for use in self.trace.arguments[call]],
            "parameters": [
                {"name": p.name, "value": ids[p.node], "gradient": ids[p.gradient], "by": p.by} for p in call.parameters
            ],
        }

    def _node(self, node: Node) -> dict[str, Any]:
        return {
            "id": self.node_id[node],
            "primitive": str(node.primitive),
            "symbol": node.primitive.symbol,
            "inputs": [self.value_id[i] for i in node.inputs],
            "output": self.value_id[node],
            **self._made_in(node),
            "static": {key: encode_static(item) for key, item in node.static.items()},
        }

    def _made_in(self, node: Node) -> dict[str, Any]:
        call = self.trace.call_of.get(node)
        return {
            "layer": self.layer_id[call] if call else None,
            "phase": "backward" if node in self.trace.backward else "forward",
            **_place(node.where),
        }

    def _value(self, value: Value) -> dict[str, Any]:
        node = value.node
        entry = {
            "id": self.value_id[node],
            "name": value.name,
            "value": encode(value.data, self.limit),
            "shape": list(value.shape),
            "dtype": _dtype(value.dtype),
            "from": self.node_id.get(node),
            "uses": [self._use(use) for use in value.uses],
            **self._gradient(value.gradient),
        }
        if not value.made:
            entry.update(self._made_in(node))
        if node.primitive is CONSTANT:
            entry["constant"] = True
        if (draw := self.trace.draws.get(node)) is not None:
            entry["draw"] = {
                "generator": draw.generator,
                "method": draw.method,
                "arguments": [_whole(item) for item in draw.arguments],
                "keywords": {key: _whole(item) for key, item in draw.keywords.items()},
            }
        if node.primitive is INPUT and (order := memory_order(value.data)) != "C":
            entry["order"] = order  # NumPy's sums and products depend on it in the last bit
        if not isinstance(value.dtype, type) and value.dtype == np.bool_:
            entry["numpy"] = True  # NumPy's bool, not Python's: they have one name
        if isinstance(value.data, np.ndarray) and not value.shape:
            entry["array"] = True  # an array of no axes, which is not a number
        return entry

    def _use(self, use: Use) -> dict[str, Any]:
        return {
            "node": self.node_id.get(use.node) if use.node else None,
            "layer": self.layer_id.get(use.call) if use.call else None,
            "argument": use.argument,
            **self._gradient(use.gradient),
        }

    def _gradient(self, given: Gradient | None) -> dict[str, Any]:
        if given is None:
            return {"gradient": None, "source": None}
        entry = {"gradient": encode(given.value, self.limit), "source": given.source, **_kind("gradient", given.value)}
        if given.expected is None:
            return entry
        return {**entry, "expected": encode(given.expected, self.limit), **_kind("expected", given.expected)}


def _kind(key: str, number: Any) -> dict[str, Any]:
    """The entry for a gradient whose dtype or shape its digits do not give."""
    if isinstance(number, np.ndarray):
        plain = number.dtype == np.float64 and number.ndim and number.size
        return {} if plain else {f"{key}_as": {"dtype": _dtype(number.dtype), "shape": list(number.shape)}}
    return {f"{key}_as": {"dtype": _dtype(number.dtype)}} if isinstance(number, np.generic) else {}


def _dtype(dtype: DType) -> str:
    """The name of a dtype; in another byte order than this machine's, its code."""
    return dtype_name(dtype) if isinstance(dtype, type) or dtype.isnative else dtype.str


def save(trace: AnnotatedRun, path: str | Path, *, force: bool = False) -> None:
    """Write the whole document of a trace, arrays of any size included, so that it loads and replays.

    Raises TargetError where it cannot be written: a file that is no trace document is replaced only with `force`.
    """
    refuse(Path(path), DOCUMENT, force=force)  # before the work
    write([Path(path)], [to_json(trace)], DOCUMENT, force=force)


def to_json(trace: AnnotatedRun) -> bytes:
    """The whole document of a trace as UTF-8; with escapes where a text, as a file's name, is none of Unicode."""
    with collection_paused():
        document = to_document(trace, limit=None)
        try:
            return json.dumps(document, ensure_ascii=False, check_circular=False).encode()
        except UnicodeEncodeError:
            return json.dumps(document, check_circular=False).encode()


def encode(value: Any, limit: int | None = LIMIT) -> Any:
    """Encode one number or array.

    >>> encode(np.array([1.5, np.inf]))
    [1.5, 'inf']
    """
    if isinstance(value, np.ndarray):
        if limit is not None and value.size > limit:
            return _summary(value)
        plain = value.tolist()
        finite = value.dtype.kind in "iub" or (value.dtype.kind == "f" and value.itemsize <= 8 and _all_finite(value))
        return plain if finite else _each(plain)
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > _LONG:
        return hex(value)
    return str(value) if isinstance(value, complex | np.longdouble | np.clongdouble) else value


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
    """Encode a static parameter. A kind that JSON lacks becomes an object with one key, the name of the kind."""
    if isinstance(item, Slot):
        return {"slot": int(item)}
    if item is Ellipsis:
        return {"ellipsis": True}
    if isinstance(item, slice):
        return {"slice": [item.start, item.stop, item.step]}
    if isinstance(item, np.dtype | type):
        return {"dtype": np.dtype(item).str}
    if isinstance(item, tuple):
        return {"tuple": [encode_static(part) for part in item]}
    return encode(item)


def _whole(item: Any) -> Any:
    """An argument of a draw: of any size, for without it nothing can be drawn anew."""
    if isinstance(item, list | range):
        return [_whole(part) for part in item]
    return encode(item, None) if isinstance(item, np.ndarray) else encode_static(item)


def _place(where: Where | None) -> dict[str, Any]:
    return {"file": where.file if where else None, "line": where.line if where else None}


def _ids(nodes: tuple[Node | None, ...] | None, ids: Mapping[Node, str]) -> list[str | None] | None:
    return None if nodes is None else [ids.get(n) if n else None for n in nodes]
