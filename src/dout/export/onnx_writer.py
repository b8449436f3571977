"""One graph in; an ONNX graph out: values with names, constants once, casts where dtypes meet, and where each is from.

What each primitive becomes stands in its row (`onnx`), or in the tables of rules beside this module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from dout.errors import UnsupportedError, visible
from dout.export.batch_numbers import BatchFill, BatchInt, BatchNumber, BatchRange, FixedBatchError
from dout.export.convolutions import OnnxConvolution
from dout.export.exported_forward import ExportedForward
from dout.export.loops.loop_rows import LOOP
from dout.export.onnx_names import Names
from dout.files import near, shown_place
from dout.graph import CONSTANT, INPUT, DType, Node, Primitive

OPSET, IR_VERSION = 28, 13  # of ONNX 1.23
_MOST_FOLDED = 1 << 16  # numbers of an array that is computed before anything runs
_MOST_TEXT = 200  # characters of what comes from the user's files
_INT64 = np.dtype(np.int64)
Rule = Callable[["OnnxWriter", Node], ir.Value]
Known = ir.Value | np.ndarray | int | float | bool


class OnnxWriter:
    """Writes the nodes of one graph in their order; `value` gives what stands for a node that is written."""

    def __init__(self, forward: ExportedForward, rules: Mapping[Primitive, Rule]) -> None:
        self.forward, self.rules = forward, rules
        self.names = Names()
        self.nodes: list[ir.Node] = []  # of the graph, or of the body of a loop, that is written now
        self._top = self.nodes
        self.initializers: list[ir.Value] = []
        self._values: dict[Node, ir.Value] = {}
        self._constants: dict[Any, ir.Value] = {}
        self._casts: dict[tuple[int, ir.DataType], ir.Value] = {}
        self._known: dict[Node, Any] = {}  # constants that are no parameters
        self._batch: ir.Value | None = None
        self._plains: dict[tuple[int, int], ir.Value] = {}
        self._outputs: set[ir.Value] = set()
        self._told: set[ir.Value] = set()
        self.loops: dict[Node, Sequence[ir.Value]] = {}  # what each loop leaves
        self._node: Node | None = None

    # --- values ------------------------------------------------------------------------------------------------------

    def value(self, node: Node) -> ir.Value:
        """What stands for a node; a constant is written when it is first needed."""
        if node not in self._values and node.primitive in (INPUT, CONSTANT):
            self._values[node] = self._held(node)
        return self._values[node]

    def define(self, node: Node, value: ir.Value) -> None:
        """Say what stands for a node that is in no graph."""
        self._values[node] = value

    def operand(self, node: Node, dtype: DType | None = None) -> ir.Value:
        """What stands for a node, cast to a dtype."""
        if dtype is None:
            return self.value(node)
        if node.primitive is CONSTANT and (number := self._number(node)) is not None:
            with np.errstate(all="ignore"):
                return self.constant(np.asarray(number).astype(np.dtype(dtype)))
        return self.cast(self.value(node), dtype)

    def constant(self, value: Any, dtype: DType | None = None, name: str = "") -> ir.Value:
        """A constant array or number, which is kept once."""
        array = np.asarray(value, None if dtype is None else np.dtype(dtype))
        array = np.ascontiguousarray(array.astype(np.dtype(array.dtype), copy=False)).reshape(array.shape)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants or name:
            made = self._initializer(array, name or _constant_name(array))
            self._constants.setdefault(key, made)
            return made
        return self._constants[key]

    def _initializer(self, array: Any, name: str) -> ir.Value:
        name = self.names.unique(name)
        made = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(data_type(array.dtype)))
        made.const_value = ir.tensor(array, name=name)
        self.initializers.append(made)
        return made

    def numbers(self, found: Iterable[int]) -> ir.Value:
        """Whole numbers, as axes and shapes are given; those that follow the batch are computed."""
        found = tuple(found)
        if not any(isinstance(n, BatchInt) for n in found):
            return self.constant(np.array(found, np.int64).reshape(-1))
        parts = [
            self.batch_number(n) if isinstance(n, BatchInt) else self.constant(np.array([n], np.int64)) for n in found
        ]
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=0)

    def reshape(self, value: ir.Value, found: Sequence[int]) -> ir.Value:
        """A value in another shape; one length that follows the batch is told by the others."""
        open_ = [i for i, n in enumerate(found) if isinstance(n, BatchInt)]
        before = value.producer()
        if before is not None and before.op_type == "Reshape" and before.inputs[0] is not None:  # two in a row are one
            value = before.inputs[0]
        if 0 in found:
            return self.op("Reshape", value, self.numbers(found), allowzero=1)
        if len(open_) == 1:
            found = [-1 if i == open_[0] else n for i, n in enumerate(found)]
        return self.op("Reshape", value, self.numbers(found))

    def batch_number(self, number: BatchInt) -> ir.Value:
        """A length that follows the batch, in an array of one."""
        if self._batch is None:
            first = self.value(self.forward.arguments[self.forward.batch])
            with self._outside_loops():
                self._batch = self.op("Shape", first, start=0, end=1, dtype=_INT64, name="batch_size")
        made = self._batch
        if number.times != 1:
            made = self.op("Mul", made, self.constant(np.array([number.times])))
        return self.op("Add", made, self.constant(np.array([number.plus]))) if number.plus else made

    def whole(self, number: int) -> ir.Value:
        """A whole number, which may follow the batch."""
        if not isinstance(number, BatchInt):
            return self.constant(number, _INT64)
        key = number.times, number.plus
        if key not in self._plains:
            with self._outside_loops():
                self._plains[key] = self.op("Squeeze", self.batch_number(number))
        return self._plains[key]

    def cast(self, value: ir.Value, dtype: DType) -> ir.Value:
        """A value in another dtype; itself where it has that."""
        wanted = data_type(np.dtype(dtype))
        if value.dtype == wanted:
            return value
        key = id(value), wanted
        if key not in self._casts:
            self._casts[key] = self.op("Cast", value, dtype=dtype, to=wanted.value)
        return self._casts[key]

    # --- operators ---------------------------------------------------------------------------------------------------

    def op(self, kind: str, *inputs: ir.Value | None, dtype: DType | None = None, name: str = "", outputs: int = 1,
           **attributes: Any) -> ir.Value:  # fmt: skip
        """One operator, and its first output; of the dtype of its first input where none is given."""
        made = ir.node(kind, list(inputs), attributes=attributes or None, num_outputs=outputs)
        name = self.names.unique(name or kind.lower())
        made.name = name
        made.outputs[0].name = name
        for more in made.outputs[1:]:
            more.name = self.names.unique(f"{name}_more")
        if inputs and inputs[0] is not None and inputs[0].dtype is not None:
            made.outputs[0].dtype = inputs[0].dtype
        if dtype is not None:
            made.outputs[-1].dtype = data_type(np.dtype(dtype))
        made.doc_string = self._place()
        self.nodes.append(made)
        return made.outputs[0]

    def _place(self) -> str | None:
        where = self._node.where if self._node is not None else None
        if where is None:
            return None
        file = near(where.file)
        file = "/".join(Path(file).parts[-2:]) if Path(file).is_absolute() else file  # nobody else has this folder
        return visible(f"{file}:{where.line}")[-_MOST_TEXT:]

    # --- the graph ---------------------------------------------------------------------------------------------------

    def write(self) -> ir.Graph:
        """The whole graph. Raises UnsupportedError, with the place, for a primitive without a rule."""
        inputs = [self._argument(name, node) for name, node in self.forward.arguments.items()]
        results = {name: self._output_name(name, node) for name, node in self.forward.graph.outputs.items()}
        self._write(self._steps())
        outputs = [self._output(results[name], node) for name, node in self.forward.graph.outputs.items()]
        nodes = _needed(self.nodes, outputs)
        used = {value for node in nodes for value in _read(node)}
        initializers = [value for value in self.initializers if value in used]
        graph = ir.Graph(inputs, outputs, nodes=nodes, initializers=initializers, opset_imports={"": OPSET},
                         name=self.names.plain(self.forward.target))  # fmt: skip
        return graph

    def _write(self, nodes: Iterable[Node]) -> None:
        ends, before = set(self.forward.graph.outputs.values()), self._node
        for node in nodes:
            if node.primitive in (INPUT, CONSTANT, LOOP):  # a loop is written with the first that it leaves
                continue
            self._node = node
            made = self._values[node] = self._folded(node) or self._made(node)
            own = self.forward.names.get(node, "")
            if made.producer() is None or made in self._told:
                continue
            self._told.add(made)
            made.shape = open_shape(node)
            if own and node not in ends:
                made.name = self.names.unique(own)
        self._node = before

    def body(self, inputs: Sequence[ir.Value], nodes: Iterable[Node], outputs: Mapping[str, Node]) -> ir.Graph:
        """The body of a loop; its first output is the condition to go on, its second input."""
        before, casts = self.nodes, dict(self._casts)
        self.nodes = []
        self._write(nodes)
        ends = [self.op("Identity", inputs[1])]
        for name, node in outputs.items():
            ends.append(self.op("Identity", self.operand(node, node.dtype), name=name))
            ends[-1].shape = open_shape(node)
        graph = ir.Graph(inputs, ends, nodes=_needed(self.nodes, ends), name=self.names.unique("body"))
        self.nodes, self._casts = before, casts  # what a body computes is not seen outside
        return graph

    @contextmanager
    def _outside_loops(self) -> Iterator[None]:
        before, self.nodes = self.nodes, self._top
        try:
            yield
        finally:
            self.nodes = before

    def _steps(self) -> list[Node]:
        """The nodes that lead to an output; to a convolution its image does."""
        wanted = set(self.forward.graph.outputs.values())
        for node in reversed(self.forward.graph.nodes):
            if node in wanted:
                made = self.forward.convolutions.get(node)
                wanted.update(node.inputs if made is None else [made.image])
        return [node for node in self.forward.graph.nodes if node in wanted]

    def _argument(self, name: str, node: Node) -> ir.Value:
        kind = ir.TensorType(data_type(np.dtype(node.dtype)))
        made = ir.Value(name=self.names.unique(name), shape=open_shape(node), type=kind)
        self._values[node] = made
        return made

    def _held(self, node: Node) -> ir.Value:
        """A parameter, or a constant."""
        known = node.static["value"] if node.primitive is CONSTANT else self.forward.values.get(node)
        name = self.forward.names.get(node, "") if node.primitive is INPUT else ""
        if isinstance(known, BatchInt):
            return self.whole(known)
        if isinstance(known, BatchNumber):
            size = self.whole(BatchInt.of(1, 1, 0))
            power = self.op("Pow", self.cast(size, node.dtype), self.constant(known.power, node.dtype))
            return self.op("Mul", power, self.constant(known.scale, node.dtype)) if known.scale != 1 else power
        if isinstance(known, BatchRange):
            return self._range(node, known)
        if isinstance(known, BatchFill):
            return self.op("Expand", self.constant(known.number, node.dtype), self.numbers(node.shape))
        if known is None:
            raise self.refused(node, "a value that was not kept in the recording")
        return self.constant(known, node.dtype, name)

    def _range(self, node: Node, known: BatchRange) -> ir.Value:
        length = self.whole(known.length)
        end = self.op("Mul", length, self.constant(known.step)) if known.step != 1 else length
        end = self.op("Add", end, self.constant(known.start)) if known.start else end
        made = self.op("Range", self.constant(known.start), end, self.constant(known.step))
        made = self.reshape(made, node.shape) if len(node.shape) > 1 else made
        return self.cast(made, known.dtype)

    def _folded(self, node: Node) -> ir.Value | None:
        """The value of a step on constants alone, where it is not large; parameters are none."""
        open_ = isinstance(node.dtype, type) or any(isinstance(n, BatchInt) for n in node.shape)
        if open_ or math.prod(node.shape) > _MOST_FOLDED:
            return None
        known = [self._number(i) for i in node.inputs]
        if any(item is None for item in known):
            return None
        with np.errstate(all="ignore"):
            value = self._known[node] = node.primitive.apply(known, node.static)
        return self.constant(value, node.dtype)

    def _number(self, node: Node) -> Any:
        """The value of a constant, and of what was computed from such; None of all others, and of parameters."""
        if node.primitive is CONSTANT:
            known = node.static["value"]
        elif node.primitive is INPUT and node not in self.forward.names:
            known = self.forward.values.get(node)
        else:
            known = self._known.get(node)
        return None if isinstance(known, BatchInt | BatchNumber | BatchRange | BatchFill) else known

    def _made(self, node: Node) -> ir.Value:
        if np.dtype(node.dtype).kind not in "biuf":
            raise self.refused(node, f"a value of dtype {np.dtype(node.dtype)}")
        if node in self.forward.convolutions:
            return self._convolution(self.forward.convolutions[node])
        rule = self.rules.get(node.primitive)
        if rule is None:
            raise self.refused(node, str(node.primitive.symbol if not node.primitive.onnx else node.primitive))
        try:
            return self.cast(rule(self, node), node.dtype)
        except FixedBatchError as error:
            raise FixedBatchError(str(error), error.where or node.where) from None

    def _convolution(self, made: OnnxConvolution) -> ir.Value:
        kernel, bias = (self._named(array, np.dtype(np.float32)) for array in (made.kernel, made.bias))
        more = [bias] if np.any(made.bias) else []
        return self.op(
            "Conv", self.value(made.image), kernel, *more, kernel_shape=made.kernel.shape[2:], strides=made.steps,
            dilations=made.gaps, pads=made.pads, group=made.groups,
        )  # fmt: skip

    def _named(self, array: Any, dtype: DType) -> ir.Value:
        """An array, by the name of the parameter that has its numbers."""
        array = array.astype(dtype)
        held = (n for n, v in self.forward.values.items() if np.size(v) == array.size and not isinstance(v, BatchFill))
        same = (n for n in held if np.array_equal(np.ravel(self.forward.values[n]).astype(dtype), array.ravel()))
        return self.constant(array, dtype, next((self.forward.names.get(node, "") for node in same), ""))

    def _output_name(self, name: str, node: Node) -> str:
        own = (
            self.forward.names.get(node, "")
            if name.startswith("out") and node.primitive not in (INPUT, CONSTANT)
            else ""
        )
        return self.names.unique(own or name)

    def _output(self, name: str, node: Node) -> ir.Value:
        self._node = node
        made = self.value(node)
        if made.producer() is None or made in self._outputs:  # an input, a constant, or an output twice
            made = self.op("Identity", made)
        made.name = name
        self._outputs.add(made)
        made.shape = open_shape(node)
        return made

    def refused(self, node: Node, what: str, instead: str = "") -> UnsupportedError:
        """The error that a step has no operators: what, where, and what to write instead."""
        at = f", at {shown_place(node.where.file, node.where.line)}" if node.where is not None else ""
        return UnsupportedError(
            f"{self.forward.target}: ONNX has no operators for {what}{at}{instead and '; ' + instead}"
        )


def open_shape(node: Node) -> ir.Shape:
    """The shape of a node, with names for the lengths that follow the batch."""
    return ir.Shape([n.text if isinstance(n, BatchInt) else int(n) for n in node.shape])


def data_type(dtype: np.dtype[Any]) -> ir.DataType:
    """ONNX's name of a dtype."""
    return ir.DataType.from_numpy(dtype)


def _constant_name(array: Any) -> str:
    if array.shape:
        return "shape" if array.dtype == _INT64 and array.ndim == 1 and array.size < 9 else "constant"
    return "number"


def _needed(nodes: Sequence[ir.Node], outputs: Sequence[ir.Value]) -> list[ir.Node]:
    """The operators that lead to an output."""
    wanted = set(outputs)
    kept: list[ir.Node] = []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.outputs):
            kept.append(node)
            wanted.update(_read(node))
    return kept[::-1]


def _read(node: ir.Node) -> Iterator[ir.Value]:
    """What an operator reads, and what the body of a loop does."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            body = attribute.as_graph()
            yield from (value for inner in body for value in _read(inner))
