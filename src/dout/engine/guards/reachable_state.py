"""Which places in the user's objects can have steered a run: its code can have read them, or put the same into them."""

from __future__ import annotations

from functools import partial
from types import FunctionType, MappingProxyType, MethodType, ModuleType

from dout.engine.guards.loaded_names import Loaded, reads_by_name, sets_by_name
from dout.graph import Node
from dout.trace.capture.capture import Capture
from dout.trace.capture.templates import Held, Same, Spot, is_fixed
from dout.trace.session.attribute_swap import Namespace, identity_of, is_special

_UNNAMED = (  # code reads what is in them by no name
    list, dict, tuple, FunctionType, MethodType, partial, staticmethod, classmethod, MappingProxyType,
)  # fmt: skip
_KEPT = "_dout_"  # attributes in which the adapters of layers keep things, and which they read by no name


class Read:
    """The places of one capture that matter, by the `names` that its code loads.

    `restored` are those into which the run may have put what stood there already.
    """

    def __init__(self, capture: Capture, needed: frozenset[Node]) -> None:
        self._counts = needed | capture.looked
        self.names = Loaded(capture.codes)
        by_name = [spot.before.item for spot in capture.spots if self._by_name(spot)]  # type: ignore[union-attr]
        self.names.all = self.names.all or bool(by_name)
        self.names.sets_any = self.names.sets_any or any(map(sets_by_name, by_name))
        self._modules = {identity_of(spot.before.item) for spot in capture.spots if self._is_loaded_module(spot)}  # type: ignore[union-attr]
        given = (*capture.arguments, *capture.keywords.values())
        self._modules |= {identity_of(item.item) for item in given if isinstance(item, Same)}
        self.restored = frozenset(spot for spot in capture.spots if self._may_be_restored(spot))

    def matters(self, spot: Spot) -> bool:
        """Whether a place can have steered the run, or holds what it computes with."""
        if spot in self.restored:
            return True
        if self._is_set_first(spot):
            return False
        if spot.before is None:  # then its class answers, if it can
            answered = self.names.all or hasattr(type(spot.holder), str(spot.place.key))
            return answered and spot.place.key in self.names and not isinstance(spot.holder, list | dict)
        if isinstance(spot.before, Node):  # of an unused number the type may steer: those in a list are seen together
            return (spot.before in self._counts or not isinstance(spot.holder, list | dict)) and self._read(spot)
        if isinstance(spot.before, Same) and isinstance(spot.before.item, ModuleType):
            return isinstance(spot.holder, list | dict | FunctionType)
        return self._read(spot)

    def _is_set_first(self, spot: Spot) -> bool:
        """Whether the run set a number, array or the like anew before it read an attribute of that name."""
        if spot.after is None or isinstance(spot.holder, (type, Namespace, ModuleType, *_UNNAMED)):
            return False
        node = spot.before.node if isinstance(spot.before, Held) else spot.before
        fixed = isinstance(node, Node) or (isinstance(node, Same) and is_fixed(node.item) and not callable(node.item))
        return fixed and node not in self._counts and self.names.set_before_read(spot.place.key)

    def _by_name(self, spot: Spot) -> bool:
        """Whether a place that the code looks into holds what reads attributes by names of its own."""
        item = spot.before.item if isinstance(spot.before, Same) else None
        owned = not isinstance(spot.holder, Namespace | ModuleType)
        return reads_by_name(item) and (owned or spot.place.key in self.names.outside)

    def _is_loaded_module(self, spot: Spot) -> bool:
        """Whether a module stands in a place from which the code may load it."""
        if not (isinstance(spot.before, Same) and isinstance(spot.before.item, ModuleType)):
            return False
        named = spot.place.key in self.names and not isinstance(spot.holder, Namespace)
        named = named or isinstance(spot.holder, list | dict | tuple | FunctionType)
        return named or spot.place.key in self.names.outside

    def _may_be_restored(self, spot: Spot) -> bool:
        """Whether the run may have put into a place what stood there already: then nothing tells that it does so."""
        if spot.before is None or spot.after is not None or isinstance(spot.holder, _UNNAMED):
            return False
        if not isinstance(spot.holder, Namespace | ModuleType):
            return self.names.stores(spot.place.key)
        found = identity_of(spot.holder) in self._modules or self.names.finds_modules
        return self.names.stores(spot.place.key, outside=True) or (found and self.names.stores(spot.place.key))

    def _read(self, spot: Spot) -> bool:
        """Whether the code that ran can have looked into a place."""
        if isinstance(spot.holder, FunctionType):  # one without defaults was given all that it takes
            return not (is_special(spot.place.key) and isinstance(spot.before, Same) and spot.before.item is None)
        if isinstance(spot.holder, _UNNAMED):
            return True
        if isinstance(spot.holder, Namespace | ModuleType):
            found = identity_of(spot.holder) in self._modules or self.names.finds_modules
            return (found and spot.place.key in self.names) or spot.place.key in self.names.outside
        return spot.place.key in self.names or str(spot.place.key).startswith(_KEPT)
