"""A training's state in; one file out, and back: arrays as safetensors, all else as JSON in the same file's header.

A file is whole or not there: it is written beside, synced and renamed. It is read as if somebody hostile had written
it: nothing in it is unpickled or run, and what does not belong to the net is refused before anything is changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dout.errors import CheckpointError, TargetError, needs, visible
from dout.files import Kind, regular, write
from dout.train.nets.layer_graphs import Sequential
from dout.train.state.kept_trees import KeptState
from dout.train.state.net_state import NetState, root_of

VERSION = 1
SUFFIX = ".safetensors"
KIND = Kind("a checkpoint", (SUFFIX,), rb'\A.{8}\{"__metadata__":\{"dout":"')
PARTS = ("objects", "attributes", "shared", "generators", "global")
DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)  # of a document
_MOST_TOLD = 500  # characters
_MOST_DEPTH = 60  # of lists and dicts inside each other


def save_checkpoint(path: Path, kept: KeptState, training: dict[str, Any]) -> None:
    """Write a checkpoint in the place of the one there. Raises TargetError where it cannot be written."""
    safetensors = _safetensors()
    document = {"dout": "checkpoint", "version": VERSION, "training": training, **kept.document}
    text = json.dumps(document, ensure_ascii=True, allow_nan=False)
    content = safetensors.numpy.save(kept.arrays, metadata={"dout": text})
    write([path], [content], KIND, durable=True)


def read_checkpoint(path: Path) -> tuple[KeptState, dict[str, Any]]:
    """What a checkpoint holds, and how far its training was. Raises CheckpointError."""
    safetensors = _safetensors()
    try:
        regular(path)
        with safetensors.safe_open(path, framework="numpy") as file:
            document = _document((file.metadata() or {}).get("dout"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from None
    except (safetensors.SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise unusable(path, f"it is cut off, or no checkpoint ({error})") from None
    except CheckpointError as error:
        raise unusable(path, error) from None
    return KeptState({key: document.get(key) for key in PARTS}, arrays), document["training"]


def load(path: str | Path, net: Any, loss: Any = None) -> None:
    """Give a net the parameters, and all else that it keeps, of a checkpoint. Raises CheckpointError.

    The net is built as the one that was trained; its arrays are written into. Random states stay as they are.
    """
    place = Path(path)
    kept, _ = read_checkpoint(place)
    roots = {"net": Sequential(*net) if isinstance(net, list | tuple) else net}
    roots |= {} if loss is None else {"loss": loss}
    own = {
        part: {
            key: value for key, value in kept.document[part].items()
            if root_of(key) in roots
        } for part in ("objects", "attributes")
    }  # fmt: skip
    try:
        NetState(**roots).put(KeptState(own, kept.arrays), with_random_states=False)
    except CheckpointError as error:
        raise unusable(place, error) from None
    except DAMAGE:
        raise unusable(place, "dout does not write what it says of the net") from None


def unusable(path: Path, reason: object) -> CheckpointError:
    """Why a file is refused, in one line: names that are told may come from the file."""
    return CheckpointError(f"{path} cannot be used: {visible(str(reason))[:_MOST_TOLD]}")


def _document(text: Any) -> dict[str, Any]:
    if not isinstance(text, str):
        raise CheckpointError("dout did not write it: there is no document of dout in it")
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
        deep = _depth(document) > _MOST_DEPTH
    except (ValueError, RecursionError):
        raise CheckpointError("its document is not JSON") from None
    if not isinstance(document, dict) or document.get("dout") != "checkpoint" or deep:
        raise CheckpointError("its document does not describe a checkpoint of dout")
    if document.get("version") != VERSION:
        said = document.get("version")
        raise CheckpointError(f"it has version {said!r}; this dout reads version {VERSION}")
    if not all(
        isinstance(document.get(key), dict) for key in ("objects", "attributes", "shared", "global", "training")
    ):
        raise CheckpointError("a part of its document is missing")
    return document


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _depth(item: Any) -> int:
    depth, level = 0, [item]
    while level and depth <= _MOST_DEPTH:
        depth += 1
        level = [
            part for one in level if isinstance(one, dict | list)
            for part in (one.values() if isinstance(one, dict) else one)
        ]  # fmt: skip
    return depth


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ModuleNotFoundError:
        raise TargetError(needs("a checkpoint", "safetensors")) from None
    return safetensors
