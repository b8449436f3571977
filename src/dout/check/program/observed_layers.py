"""A program while it runs: how each of its layers is built, and what its forward is given.

The program runs plainly. Python tells of each function that begins (`sys.setprofile`); of a layer's constructor and of
its first forwards the arguments are copied, and of the layer itself as it stands then, with all that was set by hand.
"""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass, field
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import CodeType, FrameType
from typing import Any

from dout.adapt.interface.function_pairs import pair_of
from dout.adapt.target import Target
from dout.errors import EndOfRun, TargetError
from dout.graph import Where
from dout.run import copied, deep_copy, is_class, mro_of, vars_of
from dout.trace.model.user_source import behind, is_user_code, users_place
from dout.trace.session.side_effects import is_small

MOST_USES = 2  # of one class that are kept
_BUILDS, _CALLED = "__init__", "__call__"


@dataclass
class LayerUse:
    """A layer as a program uses it: what it was built with, and, at its first forward, itself and its inputs.

    `init` is None where the constructor takes what cannot be given again by name. `layer` is a copy, None of a pair of
    functions and where there is no copy. `built_at` and `called_at` are the program's lines. `turn` says when its
    backward was first called: it counts the layers that had theirs before; it is -1 where none was called.
    """

    target: Any
    init: dict[str, Any] | None = None
    layer: Any = None
    inputs: dict[str, Any] = field(default_factory=dict)
    forward: str = ""
    built_at: Where | None = None
    called_at: Where | None = None
    turn: int = -1

    @property
    def name(self) -> str:
        """What the class, or the forward function, is called."""
        return str(self.target.__qualname__)

    @property
    def file(self) -> str:
        """The file it is written in."""
        return Target(self.target).file or ""


class Observer:
    """Watches the program in a file; `uses` are the layers that it used, by their classes."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.uses: dict[type, list[LayerUse]] = {}
        self._codes: dict[CodeType, bool] = {}
        self._methods: dict[type, dict[str, str]] = {}
        self._pairs: dict[CodeType, tuple[type, str] | None] = {}
        self._made: dict[int, LayerUse] = {}
        self._kept: dict[int, Any] = {}  # an object that is gone must not lend its identity to another
        self._turns = 0  # layers whose backward was called
        self._back: set[int] = set()  # the layers whose backward was the last to be called
        self._known_at: dict[int, int] = {}  # how many classes were known when a layer's round began

    def hear(self, frame: FrameType, event: str, argument: Any) -> None:
        """Be told of a call, as by `sys.setprofile`. Raises EndOfRun where the program has shown enough."""
        if event != "call":
            return
        code = frame.f_code
        known = self._codes.get(code)
        if known is None:
            known = self._codes[code] = code.co_name[:1] != "<" and is_user_code(code.co_filename)
        if known:
            self._met(frame, code)

    def _met(self, frame: FrameType, code: CodeType) -> None:
        """A function of the user's begins: is it a layer's?"""
        names = frame.f_locals
        first = names.get(code.co_varnames[0]) if code.co_argcount else None
        if code.co_varnames[:1] == ("self",) and first is not None:
            kind = self._methods_of(type(first)).get(code.co_name)
            if kind is not None and self._is_its_own(type(first), code):
                self._of_a_layer(kind, first, frame, names)
        elif code not in self._pairs or self._pairs[code] is not None:
            self._of_a_pair(code, frame, names)

    def _methods_of(self, cls: type) -> dict[str, str]:
        """The methods of a class that are its constructor, forward and backward, by name; none where it is no layer."""
        found = self._methods.get(cls)
        if found is None:
            found = {}
            with contextlib.suppress(Exception):
                pairs = Target(cls).pairs if is_class(cls) else []
                for ahead, back in pairs:
                    found.update({ahead: "forward", back: "backward"})
                if pairs:
                    found[_BUILDS] = "built"
            self._methods[cls] = found
        return found

    @staticmethod
    def _is_its_own(cls: type, code: CodeType) -> bool:
        """Whether it is the method that a call of that name on the class reaches, and no `super()` call inside."""
        for base in mro_of(cls):
            item = vars_of(base).get(code.co_name)
            if item is not None:
                return getattr(behind(inspect.unwrap(item)), "__code__", None) is code
        return False

    def _of_a_layer(self, kind: str, layer: Any, frame: FrameType, names: dict[str, Any]) -> None:
        key = id(layer)
        if kind == "built":
            self._kept[key] = layer
            self._made[key] = LayerUse(type(layer), _arguments(frame.f_code, names), built_at=self._place(frame))
        elif kind == "forward":
            self._begins_round(key)
            use = self._made.setdefault(key, LayerUse(type(layer), {}))
            self._kept[key] = layer
            if use.forward in ("", _CALLED) and use.forward != frame.f_code.co_name:
                self._keep(use, frame, names, layer)
        elif key in self._made:
            if self._made[key].turn < 0:
                self._made[key].turn = self._turns
                self._turns += 1
            self._back.add(key)

    def _begins_round(self, key: int) -> None:
        """A forward begins: where a layer had its backward, and nothing new came since its last round, all is shown."""
        if key not in self._known_at:
            self._known_at[key] = len(self.uses)
        elif key in self._back:
            self._back.discard(key)
            before, self._known_at[key] = self._known_at[key], len(self.uses)
            if before == len(self.uses):
                raise EndOfRun

    def _of_a_pair(self, code: CodeType, frame: FrameType, names: dict[str, Any]) -> None:
        if code not in self._pairs:
            function = frame.f_globals.get(code.co_name)
            cls = pair_of(function) if getattr(function, "__code__", None) is code else None
            self._pairs[code] = None if cls is None else (cls, code.co_name)
        pair = self._pairs[code]
        if pair is not None and pair[0] not in self.uses:
            use = LayerUse(pair[0], {})
            self._keep(use, frame, names, None)

    def _keep(self, use: LayerUse, frame: FrameType, names: dict[str, Any], layer: Any) -> None:
        """Keep what a forward begins with; where `__call__` hands it on to another method, what that is given."""
        found = self.uses.setdefault(use.target, [])
        inputs = _arguments(frame.f_code, names)
        if inputs is None or (len(found) >= MOST_USES and not use.forward):
            return
        if not use.forward:
            found.append(use)
            if layer is not None and is_small(layer):
                with contextlib.suppress(TargetError):
                    use.layer = deep_copy(layer)
        use.forward, use.inputs, use.called_at = frame.f_code.co_name, inputs, self._place(frame)

    def _place(self, frame: FrameType) -> Where | None:
        """The line of the program from which a call comes; of a call that comes from elsewhere, the user's line."""
        above = frame.f_back
        while above is not None and not above.f_code.co_filename.startswith(self.program):
            above = above.f_back
        return users_place(above or frame.f_back)


def _arguments(code: CodeType, names: dict[str, Any]) -> dict[str, Any] | None:
    """A call's arguments by name, copied; None where some have no name (`*args`), or cannot be copied."""
    number = code.co_argcount + code.co_kwonlyargcount
    given = {name: names[name] for name in code.co_varnames[:number] if name != "self" and name in names}
    if code.co_flags & CO_VARARGS:
        if names.get(code.co_varnames[number]):
            return None
        number += 1
    if code.co_flags & CO_VARKEYWORDS:
        given.update(names.get(code.co_varnames[number]) or {})
    try:
        return {name: copied(item) if is_small(item) else item for name, item in given.items()}
    except Exception:  # of the user's classes
        return None
