"""`dout export`: a net as an ONNX model, which other programs run."""

from __future__ import annotations

from collections.abc import Iterator
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
@click.option("--checkpoint", metavar="FILE.safetensors", type=options.PATH,
              help="Take the parameters of a checkpoint that `dout train` wrote.")  # fmt: skip
@click.option(
    "--loops",
    type=click.Choice(["loop", "unrolled"]),
    default="unrolled",
    show_default=True,
    help="Write the turns of a loop as one Loop, or one by one.",
)
@options.init
@options.inputs
@options.dtype("The dtype of all floats [as they are recorded].")
@options.timeout(120)
def export(
    target: str, output: Path, force: bool, backward: bool, checkpoint: Path | None, loops: str, init: dict[str, Any],
    inputs: dict[str, Any], dtype: str | None, timeout: float,
) -> None:  # fmt: skip
    """Write TARGET as an ONNX model: NumPy as you wrote it, run by onnxruntime and by all who read ONNX.

    TARGET is a net, a layer, a function or a method in a file or module (file.py:net, file.py:net.predict,
    package.module:Name), or the name of a ready-made layer (Sigmoid). dout records its forward at several sizes of the
    batch; where the same steps run at all of them, the model takes any number of rows. Parameters keep your names, and
    each operator says from which line it is. Layers that train are exported as they are used. dout chooses the
    arguments and inputs that you do not give. A file needs no name where its net is called `net`, or is its only one.
    The file is EXECUTED, with your rights.

    The parameters are those that the file gives its net. For those that `dout train` learned, give its --checkpoint.

    Exit code: 0 written, 2 wrong usage, or it cannot be exported.
    """
    where = split(target)[0]
    refuse(output, MODEL, inputs=[where], force=force)  # before anything runs
    options.require("dout export", "onnx", "onnx_ir")
    how = {"init": init, "inputs": inputs, "dtype": dtype, "backward": backward, "loops": loops}
    model = _exported(target, checkpoint, how, timeout)
    read: list[str | Path] = [where] if checkpoint is None else [where, checkpoint]
    model.save(output, inputs=read, force=force)
    click.echo(visible(f"wrote {output}"), err=True)
    notes = [*model.notes, *(_trained(where) if checkpoint is None else ())]
    for line in (*model.lines, *(f"note: {note}" for note in notes)):
        click.echo(visible(line))


def _exported(target: str, checkpoint: Path | None, how: dict[str, Any], timeout: float) -> ExportedModel:
    from dout.cli.guard import guarded
    from dout.export.onnx_export import exported_model
    from dout.trace.record.script import run_user_code

    with guarded(target, timeout=timeout, capture=True):
        module, found = load(target)
        if found is None:
            found = _only_one(module, target)
        if checkpoint is not None:
            _learned(found, target, checkpoint)
        made: ExportedModel = run_user_code(lambda: exported_model(found, **how), target)
    return made


def _learned(found: Any, target: str, checkpoint: Path) -> None:
    """Give a net the parameters of a checkpoint. Raises TargetError where there is no net, and CheckpointError."""
    from dout.train import load as load_checkpoint

    net = getattr(found, "__self__", found)
    if not _is_net(net):
        raise TargetError(f"{target} is no object that was trained: name the net that the file defines, file.py:net")
    load_checkpoint(checkpoint, net)


def _trained(where: str) -> Iterator[str]:
    """A note where `dout train` has trained what the file defines: the file itself has not changed by that."""
    folder = Path(f"{Path(where).stem}.training")
    kept = next((path for path in (folder / "best.safetensors", folder / "last.safetensors") if path.is_file()), None)
    if kept is not None:
        yield f"the parameters are those of the file; {folder} holds trained ones: --checkpoint {kept}"


def _only_one(module: Any, target: str) -> Any:
    """What a file is about: its one net, or the one named `net`. Raises TargetError where it has none, or several."""
    from dout.check.project.discover import classes_in
    from dout.trace.session.layer_calls import is_layer

    classes = [cls for _, cls in classes_in(module) if is_layer(cls)]
    held = {name: item for name, item in vars(module).items() if name[:1] != "_"}
    if _is_net(held.get("net")):
        return held["net"]
    nets = {name: x for name, x in held.items() if isinstance(x, tuple(classes)) or (_is_net(x) and type(x) is list)}
    if len(nets) == 1:
        return next(iter(nets.values()))
    known = [*nets, *(cls.__name__ for cls in dict.fromkeys(classes))]
    raise TargetError(f"{target} is a file; name what to export: {target}:{known[-1] if known else 'NAME'}")


def _is_net(item: Any) -> bool:
    """Whether something is an object with a forward, or a list of such."""
    parts = item if isinstance(item, list | tuple) and item else [item]
    return all(not isinstance(part, type) and callable(getattr(type(part), "forward", None)) for part in parts)
