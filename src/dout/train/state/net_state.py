"""A net in; everything that its next step depends on out, as plain data; and put back into a net built anew.

An attribute is kept as a tree: numbers, texts and arrays, in lists, tuples and dicts. An object inside it is not
written there: its attributes are kept under its own path, and it has to be there again when they are put back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.errors import CheckpointError
from dout.run import attributes_of, deep_copy, flat, global_states
from dout.run.held_objects import generators
from dout.run.random_states import global_state_written, put_global_state, put_state_written, state_written
from dout.train.nets.parameters import named_objects
from dout.train.state.set_names import ANY, names_set

_PLAIN = (bool, int, float, str, type(None))
_DTYPES = ("bool", *(f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (8, 16, 32, 64)))
_CHANGES = (set, deque, bytearray)  # what cannot be kept, and may change
KINDS = "fiub"  # of the dtypes that a file can hold
Place = tuple[str, str]  # the class of an object and an attribute of it: alike in all objects of the class


@dataclass
class KeptState:
    """Plain data: a document, and the arrays that it names."""

    document: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)
    known: dict[int, str] = field(default_factory=dict)  # under which name an array is kept that stands in two places


class NetState:
    """What objects within reach of some roots hold. `left_out` says which attributes the next step does not read."""

    def __init__(self, **roots: Any) -> None:
        self.roots = roots
        self.objects = {path: type(item).__qualname__ for path, item in named_objects(**roots)}
        self.first = {(path, name): _leaves(item) for path, name, _, item in self._attributes()}
        self.left_out: set[Place] = set()
        self.set_by_code: dict[str, set[str]] = {}

    def _attributes(self) -> Iterable[tuple[str, str, Any, Any]]:
        for path, holder in named_objects(**self.roots):
            for name, item in list(attributes_of(holder).items()):
                if not name.startswith("_dout_") and not callable(item):
                    yield path, name, holder, item

    def _is_new(self, path: str, name: str, item: Any) -> bool:
        """Whether an attribute holds something else than at the beginning; an array that was changed does not."""
        return not _same(_leaves(item), self.first.get((path, name)))

    def generators(self) -> list[Any]:
        """The random generators that the objects hold, or that their classes and modules use."""
        one_of_each = {type(item): item for _, item in named_objects(**self.roots)}
        found = [one for item in (*self.roots.values(), *one_of_each.values()) for one in generators(item)]
        return list({id(one): one for one in found}.values())

    def settle(self, step: Callable[[Any], Any], through: Any, fixed: Iterable[str] = ("optimizer",)) -> None:
        """Find out which attributes can be left out: a step is the same without them.

        `step(through)` makes one; it is given copies, that of `through` among them. In doubt is what has changed since
        the beginning, but for what is below the roots that are `fixed`. Each class is asked about an attribute once.
        """
        doubtful = sorted({
            (type(holder).__qualname__, name) for path, name, holder, item in self._attributes()
            if root_of(path) not in fixed and self._is_new(path, name, item)
        })  # fmt: skip
        right = self._after(step, through, ())
        if right is None:  # it cannot be copied: everything is kept
            return

        def needed(places: list[Place]) -> list[Place]:
            if not places or self._after(step, through, places) == right:
                return []
            if len(places) == 1:
                return places
            half = len(places) // 2
            return needed(places[:half]) + needed(places[half:])

        left_out = set(doubtful) - set(needed(doubtful))
        if self._after(step, through, left_out) == right:  # each alone may be left out, and not all together
            self.left_out = left_out

    def _after(self, step: Callable[[Any], Any], through: Any, without: Iterable[Place]) -> Any:
        """Everything that a copy holds after a step that begins without some attributes; None where it cannot."""
        put_back = global_states(self.generators())
        try:
            roots, through = deep_copy((self.roots, through))
            for _, holder in named_objects(**roots):
                attributes = attributes_of(holder)
                own = [name for kind, name in without if kind == type(holder).__qualname__]
                for name in {*own} & {*attributes}:
                    attributes[name] = type(attributes[name])() if type(attributes[name]) in (list, dict) else None
            told = step(through)
            kept = NetState(**roots).taken(strict=False)
            return repr(told), kept.document, {key: (a.dtype, a.shape, a.tobytes()) for key, a in kept.arrays.items()}
        except Exception:  # the user's code, on what it was not made for
            return None
        finally:
            put_back()

    def taken(self, *, strict: bool = True) -> KeptState:
        """Everything as it is now, but for constants: what no step has changed, and what is no array.

        Raises CheckpointError for what a file cannot hold.
        """
        kept = KeptState({"objects": self.objects, "attributes": {}})
        for path, name, holder, item in self._attributes():
            is_left_out = (type(holder).__qualname__, name) in self.left_out
            if not is_left_out and (_has_arrays(item) or self._is_new(path, name, item)):
                if strict and self.first.get((path, name)) is None:
                    said = f"{path}.{name} is a {type(item).__name__} that came with the training"
                    if _is_object(item):
                        raise CheckpointError(f"{said}, which a checkpoint cannot hold: make it in the constructor")
                    if (path, name) not in self.first and not self._may_set(path, name):
                        raise CheckpointError(f"{said}, and no code of its class sets it: make it in the constructor")
                tree = _encoded(item, f"{path}.{name}", kept, strict)
                kept.document["attributes"].setdefault(path, {})[name] = tree
        kept.document["generators"] = [state_written(one) for one in self.generators()]
        kept.document["global"] = global_state_written()
        return kept

    def fits(self, kept: KeptState) -> None:
        """Raise CheckpointError unless what is kept belongs to these objects: the same arrays in the same places."""
        theirs = _mapping(kept.document.get("objects"))
        for path in [*self.objects, *theirs]:
            if theirs.get(path) != self.objects.get(path):
                both = theirs.get(path) or "nothing", self.objects.get(path) or "nothing"
                raise CheckpointError(f"it is of another net: {path} is {both[0]} in it, and {both[1]} here")
        here = dict(named_objects(**self.roots))
        for path, attributes in _mapping(kept.document.get("attributes")).items():
            if path not in here:
                raise CheckpointError(f"it is of another net: there is no {path} here")
            for name, tree in _mapping(attributes).items():
                known = getattr(type(here[path]), name, None)
                if not name.isidentifier() or name.startswith("__") or callable(known) or isinstance(known, property):
                    raise CheckpointError(f"it would set {path}.{name}, which is no attribute that a net keeps")
                if name not in attributes_of(here[path]) and not self._may_set(path, name):
                    raise CheckpointError(f"it would set {path}.{name}, which neither the net has nor its code sets")
                _decoded(tree, attributes_of(here[path]).get(name), f"{path}.{name}", kept.arrays, write=False)

    def _may_set(self, path: str, name: str) -> bool:
        """Whether the code of the net, or of the root that an object belongs to, sets an attribute of this name."""
        root = root_of(path)
        if root not in self.set_by_code:
            self.set_by_code[root] = names_set(item for _, item in named_objects(**{root: self.roots[root]}))
        return name in self.set_by_code[root] or ANY in self.set_by_code[root]

    def put(self, kept: KeptState, *, with_random_states: bool = True, own: bool = False) -> None:
        """Make everything as it was when it was kept; what does not fit is refused before anything is changed.

        What these very objects have given, their `own`, is not asked.
        """
        if not own:
            self.fits(kept)
        generators, states = self.generators(), kept.document.get("generators")
        if with_random_states and not (isinstance(states, list) and len(states) == len(generators)):
            raise CheckpointError("it is of another net: it has the states of other random generators")
        if with_random_states:
            _put_states(generators, kept)
        for path, holder in list(named_objects(**self.roots)):
            attributes = attributes_of(holder)
            for name, tree in kept.document["attributes"].get(path, {}).items():
                attributes[name] = _decoded(tree, attributes.get(name), f"{path}.{name}", kept.arrays, write=True)


def root_of(path: str) -> str:
    """The name of the root at which a path begins: `net` of `net.layers[0]`."""
    return path.partition(".")[0].partition("[")[0]


def check_global_state(state: Any) -> None:
    """Raise CheckpointError where this is no state of the global generators."""
    put_back = global_states()
    _put_states([], KeptState({"generators": [], "global": state}))
    put_back()


def _put_states(generators: list[Any], kept: KeptState) -> None:
    """Bring all random generators where they were, or, where one of the states is none, leave all as they are."""
    put_back = global_states(generators)
    try:
        for one, state in zip(generators, kept.document["generators"], strict=True):
            put_state_written(one, state)
        put_global_state(kept.document["global"])
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, SystemError) as error:
        put_back()
        raise CheckpointError(f"it holds the state of a random generator that no generator takes: {error}") from None


def _leaves(item: Any) -> Any:
    """A tree with the very items that stand in it now, to be compared with what stands there later."""
    if isinstance(item, dict):
        return [dict, *((key, _leaves(part)) for key, part in item.items())]
    return [type(item), *map(_leaves, item)] if isinstance(item, list | tuple) else item


def _same(one: Any, other: Any) -> bool:
    """Whether two trees have the same items; an array that was changed in place is the same."""
    if type(one) in (list, tuple) and type(one) is type(other):
        return len(one) == len(other) and all(map(_same, one, other))
    return one is other or (type(one) in _PLAIN and type(one) is type(other) and one == other)


def _has_arrays(item: Any) -> bool:
    return any(isinstance(part, np.ndarray | np.generic | set | deque | bytearray) for part in flat(item))


def _is_object(item: Any) -> bool:
    """Whether something is none of the kinds that are kept, but stands for itself."""
    return not isinstance(item, (*_PLAIN, np.ndarray, np.generic, np.dtype, dict, list, tuple))


def _is_fixed(item: Any) -> bool:
    """Whether something is an array or an object, or holds one or a container: it is there again, of the same kind."""
    parts = item.values() if isinstance(item, dict) else item if isinstance(item, list | tuple) else ()
    if any(isinstance(part, dict | list | tuple) for part in parts):
        return True
    return any(isinstance(part, np.ndarray) or _is_object(part) for part in flat(item))


def _mapping(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise CheckpointError("a part of it is missing")
    return item


# --- trees ------------------------------------------------------------------------------------------------------------


def _encoded(item: Any, path: str, kept: KeptState, strict: bool) -> Any:
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
    if type(item) in _PLAIN:
        return {"float": repr(item)} if type(item) is float else {"plain": item}
    if isinstance(item, dict) and all(type(key) in (str, int) for key in item):
        return {"dict": [[key, _encoded(part, f"{path}[{key!r}]", kept, strict)] for key, part in item.items()]}
    if isinstance(item, list) or type(item) is tuple:
        parts = [_encoded(part, f"{path}[{i}]", kept, strict) for i, part in enumerate(item)]
        return {"list" if isinstance(item, list) else "tuple": parts}
    if isinstance(item, np.dtype) and item.name in _DTYPES:
        return {"dtype": item.name}
    if strict and isinstance(item, _CHANGES):
        raise CheckpointError(f"{path} is a {type(item).__name__}, which a checkpoint cannot hold: make it a list")
    if strict and isinstance(item, dict | tuple):
        what = "dict with other keys than texts and whole numbers" if isinstance(item, dict) else type(item).__name__
        raise CheckpointError(f"{path} is a {what}, which a checkpoint cannot hold")
    return {"object": True}


def _decoded(tree: Any, here: Any, path: str, arrays: Mapping[str, Any], *, write: bool) -> Any:
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
    if kind == "plain" and type(value) in _PLAIN:
        return value
    if kind == "dtype" and value in _DTYPES:
        return np.dtype(value)
    if kind == "float" and isinstance(value, str):
        return _float(value, path)
    if kind == "dict" and isinstance(value, list) and all(isinstance(p, list) and len(p) == 2 for p in value):
        known = here if isinstance(here, dict) else {}
        made = {_key(k, path): _decoded(t, known.get(k), f"{path}[{k!r}]", arrays, write=write) for k, t in value}
        return _filled(here, made) if write and isinstance(here, dict) else made
    if kind in ("list", "tuple") and isinstance(value, list):
        olds = here if isinstance(here, list | tuple) and len(here) == len(value) else [None] * len(value)
        parts = [
            _decoded(part, old, f"{path}[{i}]", arrays, write=write)
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
    elif _is_object(here):
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
