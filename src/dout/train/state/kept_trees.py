"""An attribute in; a tree of plain data out, its arrays beside it; and back, if it belongs where it is to be put."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.errors import CheckpointError
from dout.run import flat

PLAIN = (bool, int, float, str, type(None))
_DTYPES = ("bool", *(f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (8, 16, 32, 64)))
_CHANGES = (set, deque, bytearray)  # what cannot be kept, and may change
KINDS = "fiub"  # of the dtypes that a file can hold


@dataclass
class KeptState:
    """Plain data: a document, and the arrays that it names."""

    document: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)
    known: dict[int, str] = field(default_factory=dict)  # under which name an array is kept that stands in two places


def is_object(item: Any) -> bool:
    """Whether something is none of the kinds that are kept, but stands for itself."""
    return not isinstance(item, (*PLAIN, np.ndarray, np.generic, np.dtype, dict, list, tuple))


def _is_fixed(item: Any) -> bool:
    """Whether something is an array or an object, or holds one or a container: it is there again, of the same kind."""
    parts = item.values() if isinstance(item, dict) else item if isinstance(item, list | tuple) else ()
    if any(isinstance(part, dict | list | tuple) for part in parts):
        return True
    return any(isinstance(part, np.ndarray) or is_object(part) for part in flat(item))


def encoded(item: Any, path: str, kept: KeptState, strict: bool) -> Any:
    """A tree as JSON; its arrays are put beside it by their paths."""
    if isinstance(item, np.ndarray | np.generic):
        array = np.asarray(item)
        if array.dtype.kind in KINDS and array.dtype.itemsize <= 8:
            name = kept.known.setdefault(id(item), path) if isinstance(item, np.ndarray) else path
            if name not in kept.arrays:
                kept.arrays[name] = array.copy()
            return {"array" if isinstance(item, np.ndarray) else "number": name}
        if strict:
            raise CheckpointError(f"{path} has dtype {array.dtype}, which a checkpoint cannot hold")
    if type(item) in PLAIN:
        return {"float": repr(item)} if type(item) is float else {"plain": item}
    if isinstance(item, dict) and all(type(key) in (str, int) for key in item):
        return {"dict": [[key, encoded(part, f"{path}[{key!r}]", kept, strict)] for key, part in item.items()]}
    if isinstance(item, list) or type(item) is tuple:
        parts = [encoded(part, f"{path}[{i}]", kept, strict) for i, part in enumerate(item)]
        return {"list" if isinstance(item, list) else "tuple": parts}
    if isinstance(item, np.dtype) and item.name in _DTYPES:
        return {"dtype": item.name}
    if strict and isinstance(item, _CHANGES):
        raise CheckpointError(f"{path} is a {type(item).__name__}, which a checkpoint cannot hold: make it a list")
    if strict and isinstance(item, dict | tuple):
        what = "dict with other keys than texts and whole numbers" if isinstance(item, dict) else type(item).__name__
        raise CheckpointError(f"{path} is a {what}, which a checkpoint cannot hold")
    return {"object": True}


def decoded(tree: Any, here: Any, path: str, arrays: Mapping[str, Any], *, write: bool) -> Any:
    """A tree as it was. Arrays that are there are written into, so that they stay the user's; objects stay.

    Without `write` nothing is changed: it is only asked whether the tree fits. Raises CheckpointError where it does
    not.
    """
    if not (isinstance(tree, dict) and len(tree) == 1):
        raise CheckpointError(f"{path} is none of the kinds of values that a checkpoint has")
    ((kind, value),) = tree.items()
    if not write:
        _check_kind(kind, value, here, path)
    if kind in ("array", "number"):
        if not isinstance(value, str) or value not in arrays:
            raise CheckpointError(f"the array {path} is missing")
        if kind == "number" and arrays[value].ndim:
            raise CheckpointError(f"{path} has shape {arrays[value].shape}, and is no number")
        return _array(arrays[value], here, path, write) if kind == "array" else arrays[value][()]
    if kind == "plain" and type(value) in PLAIN:
        return value
    if kind == "dtype" and value in _DTYPES:
        return np.dtype(value)
    if kind == "float" and isinstance(value, str):
        return _float(value, path)
    if kind == "dict" and isinstance(value, list) and all(isinstance(p, list) and len(p) == 2 for p in value):
        known = here if isinstance(here, dict) else {}
        made = {_key(k, path): decoded(t, known.get(k), f"{path}[{k!r}]", arrays, write=write) for k, t in value}
        return _filled(here, made) if write and isinstance(here, dict) else made
    if kind in ("list", "tuple") and isinstance(value, list):
        olds = here if isinstance(here, list | tuple) and len(here) == len(value) else [None] * len(value)
        parts = [
            decoded(part, old, f"{path}[{i}]", arrays, write=write)
            for i, (part, old) in enumerate(zip(value, olds, strict=True))
        ]
        return tuple(parts) if kind == "tuple" else _filled(here, parts) if write and isinstance(here, list) else parts
    if kind == "object":
        return here
    raise CheckpointError(f"{path} is none of the kinds of values that a checkpoint has")


def _check_kind(kind: str, value: Any, here: Any, path: str) -> None:
    """Raise CheckpointError where something of this kind cannot have come from what is here by training.

    Nothing becomes anything, and a number an array; but an array stays an array, and what holds arrays or objects holds
    them in the same places.
    """
    is_nothing = kind == "plain" and value is None
    if here is None:
        fits = kind != "object"
    elif is_object(here):
        fits = kind == "object"
    elif isinstance(here, np.dtype):
        fits = kind == "dtype"
    elif isinstance(here, str):
        fits = kind == "plain" and (value is None or isinstance(value, str))
    elif isinstance(here, dict | list | tuple):
        same = "dict" if isinstance(here, dict) else "list" if isinstance(here, list) else "tuple"
        fits = kind == same and _same_places(value, here) if _is_fixed(here) else kind in (same, "array") or is_nothing
    elif np.ndim(here):
        fits = kind == "array"
    else:
        fits = kind in ("array", "number", "float") or (kind == "plain" and not isinstance(value, str))
    if not fits:
        raise CheckpointError(f"it is of another net: in it, {path} is something else than the {_said(here)} here")


def _same_places(value: Any, here: Any) -> bool:
    """Whether a kept container has an item for each of the arrays, objects and containers here, in the same order."""
    if not isinstance(value, list):
        return False
    if not isinstance(here, dict):
        return len(value) == len(here)
    keys = [pair[0] for pair in value if isinstance(pair, list) and pair and type(pair[0]) in (str, int)]
    common = [key for key in keys if key in here]
    return common == [key for key in here if key in keys] and all(
        key in keys for key, item in here.items() if _is_fixed(item) or isinstance(item, dict | list | tuple)
    )


def _said(here: Any) -> str:
    if isinstance(here, np.ndarray):
        return f"array of shape {here.shape}"
    if isinstance(here, dict):
        return f"dict with the keys {', '.join(map(str, here))[:60]}" if here else "dict"
    return f"{type(here).__name__} of {len(here)}" if isinstance(here, list | tuple) else type(here).__name__


def _array(array: Any, here: Any, path: str, write: bool) -> Any:
    if not isinstance(here, np.ndarray):
        return array.copy()
    if not write and (here.shape != array.shape or here.dtype != array.dtype):
        said = f"{path} has shape {array.shape} and dtype {array.dtype} in it"
        raise CheckpointError(f"{said}, and {here.shape} and {here.dtype} in the net")
    if not write:
        return here
    if not here.flags.writeable or here.shape != array.shape or here.dtype != array.dtype:
        return array.copy()
    here[...] = array
    return here


def _float(text: str, path: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise CheckpointError(f"{path} is {text[:40]!r}, which is no number") from None


def _key(key: Any, path: str) -> Any:
    if type(key) not in (str, int):
        raise CheckpointError(f"{path} has a key that is neither a text nor a whole number")
    return key


def _filled(here: Any, made: Any) -> Any:
    """The container that is there, with other items: what else holds it sees them, too."""
    if isinstance(here, dict):
        here.clear()
        here.update(made)
    else:
        here[:] = made
    return here
