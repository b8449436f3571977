"""A net in; everything that its next step depends on out, as plain data; and put back into a net built anew.

An attribute is kept as a tree: numbers, texts and arrays, in lists, tuples and dicts. An object inside it is not
written there: its attributes are kept under its own path, and it has to be there again when they are put back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dout.errors import CheckpointError
from dout.run import attributes_of, deep_copy, flat, generators_of, global_states, named_objects
from dout.run.random_states import all_states, global_state_written, put_global_state, put_state_written, state_written
from dout.train.state.kept_trees import PLAIN, KeptState, decoded, encoded, is_object
from dout.train.state.set_names import ANY, SharedNumber, names_set, shared_numbers, shared_states

Trial = Callable[[Any], Any]
Place = tuple[str, str]  # the class of an object and an attribute of it: alike in all objects of the class


class NetState:
    """What objects within reach of some roots hold. `left_out` says which attributes need not be kept."""

    def __init__(self, **roots: Any) -> None:
        self.roots = roots
        here = list(named_objects(**roots))
        self.objects = {path: type(item).__qualname__ for path, item in here}
        self.first = {(path, name): _leaves(item) for path, name, _, item in self._attributes(here)}
        self.left_out: set[Place] | None = None  # not asked yet
        self.set_by_code: dict[str, set[str]] = {}
        self.shared = {path: one.item for path, one in self._shared_numbers().items()}

    def _attributes(self, here: Iterable[tuple[str, Any]] | None = None) -> Iterable[tuple[str, str, Any, Any]]:
        for path, holder in here or named_objects(**self.roots):
            for name, item in list(attributes_of(holder).items()):
                if not name.startswith("_dout_") and not callable(item):
                    yield path, name, holder, item

    def _is_new(self, path: str, name: str, item: Any) -> bool:
        """Whether an attribute holds something else than at the beginning; an array that was changed does not."""
        return not _same(_leaves(item), self.first.get((path, name)))

    def _shared_numbers(self) -> dict[str, SharedNumber]:
        return shared_numbers(item for _, item in named_objects(**self.roots))

    def generators(self) -> list[Any]:
        """The random generators that the objects hold, or that their classes and modules use."""
        return generators_of(**self.roots)

    def settle(
        self, step: Trial, through: Any, look: Trial = lambda through: None, fixed: Iterable[str] = ("optimizer",)
    ) -> None:
        """Find out which attributes can be left out: the next step, and an evaluation, are the same without them.

        `step(through)` makes a step, and `look(through)` evaluates; each is given copies, that of `through` among them.
        In doubt is what has changed since the beginning, but for what is below the roots that are `fixed`. Each class
        is asked about an attribute once. Later calls ask whether the next step still is the same without what has been
        left out: a layer may read in even steps what it writes in odd ones.
        """
        is_first, put_back = self.left_out is None, shared_states(**self.roots)
        doubtful = sorted(self.left_out) if self.left_out is not None else sorted({
            (type(holder).__qualname__, name) for path, name, holder, item in self._attributes()
            if root_of(path) not in fixed and self._is_new(path, name, item)
        })  # fmt: skip

        def after(without: Iterable[Place]) -> Any:
            told = self._after(look, through, without, put_back) if is_first else None
            return self._after(step, through, without, put_back), told and told[0]

        right = after(())

        def needed(places: list[Place]) -> list[Place]:
            if not places or after(places) == right:
                return []
            if len(places) == 1:
                return places
            half = len(places) // 2
            return needed(places[:half]) + needed(places[half:])

        found = set(needed(doubtful)) if right[0] is not None else set(doubtful)  # without a copy everything is kept
        left_out = set(doubtful) - found
        # each alone may be left out, and not all together
        self.left_out = left_out if not (found and left_out) or after(left_out) == right else set()

    def _after(self, step: Trial, through: Any, without: Iterable[Place], put_back: Callable[[], None]) -> Any:
        """Everything that a copy holds after a step that begins without some attributes; None where it cannot."""
        try:
            roots, through = deep_copy((self.roots, through))
            for _, holder in named_objects(**roots):
                attributes = attributes_of(holder)
                own = [name for kind, name in without if kind == type(holder).__qualname__]
                for name in {*own} & {*attributes}:
                    attributes[name] = type(attributes[name])() if type(attributes[name]) in (list, dict) else None
            return repr(step(through)), _written(roots)
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
            is_left_out = (type(holder).__qualname__, name) in (self.left_out or ())
            if not is_left_out and (_has_arrays(item) or self._is_new(path, name, item)):
                if strict and self.first.get((path, name)) is None:
                    said = f"{path}.{name} is a {type(item).__name__} that came with the training"
                    if is_object(item):
                        raise CheckpointError(f"{said}, which a checkpoint cannot hold: make it in the constructor")
                    if (path, name) not in self.first and not self._may_set(path, name):
                        raise CheckpointError(f"{said}, and no code of its class sets it: make it in the constructor")
                tree = encoded(item, f"{path}.{name}", kept, strict)
                kept.document["attributes"].setdefault(path, {})[name] = tree
        kept.document["shared"] = {
            path: encoded(one.item, path, kept, strict) for path, one in self._shared_numbers().items()
            if not _same(one.item, self.shared.get(path))
        }  # fmt: skip
        kept.document |= states_written(self.generators())
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
                decoded(tree, attributes_of(here[path]).get(name), f"{path}.{name}", kept.arrays, write=False)

        shared = self._shared_numbers()
        for path, tree in _mapping(kept.document.get("shared", {})).items():
            if path not in shared:
                raise CheckpointError(f"it would set {path}, which no code of the net counts in")
            decoded(tree, shared[path].item, path, kept.arrays, write=False)

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
            put_states(generators, kept.document)
        for path, holder in list(named_objects(**self.roots)):
            attributes = attributes_of(holder)
            for name, tree in kept.document["attributes"].get(path, {}).items():
                attributes[name] = decoded(tree, attributes.get(name), f"{path}.{name}", kept.arrays, write=True)
        shared = self._shared_numbers()
        for path, tree in kept.document.get("shared", {}).items():
            shared[path].put(decoded(tree, shared[path].item, path, kept.arrays, write=True))


def root_of(path: str) -> str:
    """The name of the root at which a path begins: `net` of `net.layers[0]`."""
    return path.partition(".")[0].partition("[")[0]


def states_written(generators: list[Any]) -> dict[str, Any]:
    """The states of some generators, and of the global ones, as plain data."""
    return {"generators": [state_written(one) for one in generators], "global": global_state_written()}


def check_states(generators: list[Any], states: dict[str, Any]) -> None:
    """Raise CheckpointError where these are no states of the generators, or of the global ones."""
    put_back = global_states(generators)
    put_states(generators, states)
    put_back()


def put_states(generators: list[Any], states: dict[str, Any]) -> None:
    """Bring all random generators where they were, or, where one of the states is none, leave all as they are."""
    put_back = global_states(generators)
    try:
        for one, state in zip(generators, states["generators"], strict=True):
            put_state_written(one, state)
        put_global_state(states["global"])
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, SystemError) as error:
        put_back()
        raise CheckpointError(f"it holds the state of a random generator that no generator takes: {error}") from None


def _written(roots: Any) -> Any:
    """All that some roots hold, and random states, as what can be compared."""
    kept = KeptState()
    trees = {
        (path, name): encoded(item, f"{path}.{name}", kept, strict=False)
        for path, holder in named_objects(**roots) for name, item in attributes_of(holder).items()
    }  # fmt: skip
    states = all_states(generators_of(**roots))
    return trees, states, {key: (a.dtype, a.shape, a.tobytes()) for key, a in kept.arrays.items()}


def _leaves(item: Any) -> Any:
    """A tree with the very items that stand in it now, to be compared with what stands there later."""
    if isinstance(item, dict):
        return [dict, *((key, _leaves(part)) for key, part in item.items())]
    return [type(item), *map(_leaves, item)] if isinstance(item, list | tuple) else item


def _same(one: Any, other: Any) -> bool:
    """Whether two trees have the same items; an array that was changed in place is the same."""
    if type(one) in (list, tuple) and type(one) is type(other):
        return len(one) == len(other) and all(map(_same, one, other))
    return one is other or (type(one) in PLAIN and type(one) is type(other) and one == other)


def _has_arrays(item: Any) -> bool:
    return any(isinstance(part, np.ndarray | np.generic | set | deque | bytearray) for part in flat(item))


def _mapping(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise CheckpointError("a part of it is missing")
    return item
