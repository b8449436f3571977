"""`dout export`: a net as an ONNX model, which other programs run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.cli import options
from dout.cli.cli_target import load, split
from dout.errors import TargetError, visible
from dout.export import MODEL
from dout.files import refuse

if TYPE_CHECKING:
    from dout.export.onnx_export import ExportedModel


@click.command(short_help="Write a net as an ONNX model.")
@click.argument("target")
@click.argument("output", metavar="MODEL.onnx", type=options.PATH)
@click.option("--force", is_flag=True, help="Replace MODEL.onnx even if dout did not write it.")
@click.option("--backward", is_flag=True, help="Give the gradients of all inputs and parameters, too.")
@options.init
@options.inputs
@options.dtype("The dtype of all floats [as they are recorded].")
@options.timeout(120)
def export(
    target: str, output: Path, force: bool, backward: bool, init: dict[str, Any], inputs: dict[str, Any],
    dtype: str | None, timeout: float,
) -> None:  # fmt: skip
    """Write TARGET as an ONNX model: NumPy as you wrote it, run by onnxruntime and by all who read ONNX.

    TARGET is a net, a layer, a function or a method in a file or module (file.py:net, file.py:net.predict,
    package.module:Name), or the name of a ready-made layer (Sigmoid). dout records its forward at several sizes of the
    batch; where the same steps run at all of them, the model takes any number of rows. Parameters keep your names, and
    each operator says from which line it is. Layers that train are exported as they are used. dout chooses the
    arguments and inputs that you do not give. The file is EXECUTED, with your rights.

    Exit code: 0 written, 2 wrong usage, or it cannot be exported.
    """
    where = split(target)[0]
    refuse(output, MODEL, inputs=[where], force=force)  # before anything runs
    for module in ("onnx", "onnx_ir"):
        options.require("dout export", module)
    model = _exported(target, init, inputs, dtype, backward, timeout)
    model.save(output, inputs=[where], force=force)
    click.echo(visible(f"wrote {output}"), err=True)
    for line in (*model.lines, *(f"note: {note}" for note in model.notes)):
        click.echo(visible(line))


def _exported(
    target: str, init: dict[str, Any], inputs: dict[str, Any], dtype: str | None, backward: bool, timeout: float
) -> ExportedModel:
    from dout.cli.guard import guarded
    from dout.export.onnx_export import exported_model
    from dout.trace.record.script import run_user_code

    with guarded(target, timeout=timeout, capture=True):
        module, found = load(target)
        if found is None:
            found = _only_one(module, target)
        made: ExportedModel = run_user_code(
            lambda: exported_model(found, init, inputs, dtype=dtype, backward=backward), target
        )
    return made


def _only_one(module: Any, target: str) -> Any:
    """What a file is about: its one net. Raises TargetError where it has none, or several."""
    from dout.check.project.discover import classes_in
    from dout.trace.session.layer_calls import is_layer

    classes = [cls for _, cls in classes_in(module) if is_layer(cls)]
    nets = {name: item for name, item in vars(module).items() if isinstance(item, tuple(classes)) and name[:1] != "_"}
    if len(nets) == 1:
        return next(iter(nets.values()))
    known = [*nets, *(cls.__name__ for cls in dict.fromkeys(classes))]
    raise TargetError(f"{target} is a file; name what to export: {target}:{known[-1] if known else 'NAME'}")
