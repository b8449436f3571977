"""`export`: a layer, a net or a function as an ONNX model, from its recorded forward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from dout.errors import TargetError, UnsupportedError
from dout.export import MODEL
from dout.export.batch_numbers import FixedBatchError
from dout.export.exported_forward import ExportedForward, exported_forward
from dout.export.onnx_writer import IR_VERSION, OPSET, OnnxWriter
from dout.export.operators.array_operators import ARRAY_OPERATORS
from dout.export.operators.elementwise_operators import ELEMENTWISE_OPERATORS
from dout.export.operators.index_operators import INDEX_OPERATORS
from dout.export.operators.loop_operators import LOOP_OPERATORS
from dout.files import refuse, write

MOST_BYTES = 2_000_000_000  # of one message of protobuf
LOOPS = ("unrolled", "loop")
RULES = {**ELEMENTWISE_OPERATORS, **ARRAY_OPERATORS, **INDEX_OPERATORS}


@dataclass(frozen=True)
class ExportedModel:
    """A model, checked; `notes` say what somebody who uses it should know."""

    content: bytes
    model: ir.Model
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<ONNX model: {'; '.join(self.lines)}>"

    @property
    def lines(self) -> list[str]:
        """What it takes, what it gives, and how large it is."""
        graph = self.model.graph
        numbers = sum(int(np.prod(value.shape.numpy())) for value in graph.initializers.values() if value.shape)
        return [
            f"inputs: {', '.join(map(_told, graph.inputs))}",
            f"outputs: {', '.join(map(_told, graph.outputs))}",
            f"{sum(1 for _ in graph.all_nodes())} operators, {numbers:,} numbers, opset {OPSET}",
        ]

    def save(self, path: str | Path, *, force: bool = False, inputs: Iterable[str | Path] = ()) -> None:
        """Write the model. Raises TargetError where the file cannot be written."""
        write([Path(path)], [self.content], MODEL, inputs=inputs, force=force)


def export(
    target: Any, path: str | Path | None = None, /, *inputs: Any, init: Mapping[str, Any] | None = None,
    dtype: str | None = None, backward: bool = False, loops: str = "unrolled", force: bool = False, **named: Any,
) -> ExportedModel:  # fmt: skip
    """Write a layer, a net or a function as an ONNX model, and return it. Nothing is written without a `path`.

    The forward is recorded on `inputs`, or on small ones that it takes, at several sizes of the batch: where the same
    steps run at all of them, the first axis of the model is open. Layers that train are exported as they are used.
    `dtype` is that of all floats ("float32"), else that of the recording; with `backward` the gradients are outputs
    too, for an upstream gradient of ones. With `loops="loop"` the turns of a loop are one `Loop` of ONNX, else they are
    written one by one.

    Raises TargetError where nothing can be recorded or written, UnsupportedError for what no model can do: what, where
    in the user's file, and what to write instead.
    """
    if path is not None:
        refuse(Path(path), MODEL, force=force)
    given = {**{str(i): item for i, item in enumerate(inputs)}, **named}
    model = exported_model(target, init or {}, given, dtype=dtype, backward=backward, loops=loops)
    if path is not None:
        model.save(path, force=force)
    return model


def exported_model(
    target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any], *, dtype: str | None = None,
    backward: bool = False, loops: str = "unrolled",
) -> ExportedModel:  # fmt: skip
    """The model of a target. Raises as `export`."""
    if loops not in LOOPS:
        raise TargetError(f"loops={loops!r}: write {' or '.join(map(repr, LOOPS))}")
    how: dict[str, Any] = {"dtype": dtype, "backward": backward, "loops": loops}
    try:
        return checked_model(exported_forward(target, init, inputs, **how))
    except FixedBatchError as error:
        return checked_model(exported_forward(target, init, inputs, **how, why_fixed=error))


def checked_model(forward: ExportedForward) -> ExportedModel:
    """The model of a graph, as ONNX's own checker takes it. Raises UnsupportedError and TargetError."""
    graph = OnnxWriter(forward, {**RULES, **LOOP_OPERATORS}).write()
    size = sum(value.const_value.nbytes for value in graph.initializers.values() if value.const_value is not None)
    if size > MOST_BYTES:
        told = f"{size / 1e9:.1f} GB of numbers, and a file of ONNX holds {MOST_BYTES / 1e9:.1f}"
        raise TargetError(f"{forward.target} has {told}: export a part of it, or give --dtype float32")
    model = ir.Model(graph, ir_version=IR_VERSION, producer_name="dout", producer_version=version("dout"))
    content = ir.to_proto(model).SerializeToString(deterministic=True)
    try:
        onnx.checker.check_model(content, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise UnsupportedError(f"{forward.target}: the model that dout wrote is not valid: {error}") from None
    return ExportedModel(content, model, forward.notes)


def _told(value: ir.Value) -> str:
    assert value.dtype is not None
    return f"{value.name} {value.dtype.name.lower()}[{', '.join(map(str, value.shape or ()))}]"
