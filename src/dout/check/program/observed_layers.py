"""A program while it runs: how each of its layers is built, and what its forward is given.

The program runs plainly. Python tells of each function that begins (`sys.setprofile`); of a layer's constructor and of
its forward the arguments are copied, and of the layer itself as it stands then, with all that was set by hand.
"""

from __future__ import annotations

import contextlib
import dis
import inspect
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import CodeType, FrameType
from typing import Any, Literal

import numpy as np

from dout.adapt.argument_names import names_label
from dout.adapt.interface.function_pairs import PAIR, pair_of
from dout.adapt.interface.network_loss import loss_of
from dout.adapt.target import Target
from dout.check.program.layer_use import BackwardUse, LayerUse
from dout.errors import EndOfRun, TargetError
from dout.graph import Where
from dout.run import anew, deep_copy, is_class, mro_of, otherwise, vars_of
from dout.trace.model.user_source import behind, is_user_code, users_place
from dout.trace.program.stub_modules import is_dropped
from dout.trace.session.side_effects import is_small

MOST_USES = 4  # of one class, with different settings, that are kept
MOST_KEPT = 3  # forwards of one layer before its first backward that are kept, each in place of the one before
MOST_ROUNDS = 3  # of a layer in which nothing new came, while others have had no backward yet
MOST_FORWARDS = 5_000  # after which nothing new is expected
_BUILDS, _CALLED = "__init__", "__call__"
Kind = Literal["built", "forward", "told", "backward", "both"]  # both: a loss that returns its gradients


@dataclass(eq=False)
class _LayerWatch:
    """A layer under watch: its use, and itself, so that no other object gets its identity (None of a pair)."""

    use: LayerUse
    layer: Any = None
    forwards: int = 0
    kept_at: int = 0  # the forward at which its inputs were kept
    went_back: bool = False
    rests: bool = False  # it had a backward, and no forward since
    news: int | None = None  # how many uses were known when its round began
    rounds: int = 0  # of its own, in which nothing new came
    took: tuple[Any, ...] = ()  # the arrays that its last forward was given
    gave: tuple[Any, ...] = ()  # what that returned
    ends: bool = False  # no other backward returned what its last backward was given


class Observer:
    """Watches the program in a file; `uses` are the layers that it used, by their classes.

    Where layers are `asked` for, by `file:name`, nothing of others is waited for.
    """

    def __init__(self, program: str, asked: Sequence[str] = ()) -> None:
        self.program, self.asked = program, asked
        self.uses: dict[type, list[LayerUse]] = {}
        self._codes: dict[CodeType, bool] = {}
        self._methods: dict[type, dict[str, Kind]] = {}
        self._functions: dict[CodeType, tuple[type, Kind] | None] = {}
        self._watches: dict[int, _LayerWatch] = {}
        self._backs: defaultdict[type, BackwardUse] = defaultdict(BackwardUse)
        self._going: dict[FrameType, tuple[_LayerWatch, Kind]] = {}
        self._returned: dict[type, tuple[_LayerWatch, tuple[Any, ...]]] = {}  # the last backward of each class
        self._quiet = 0  # forwards since the last new use

    def hear(self, frame: FrameType, event: str, argument: Any) -> None:
        """Be told of a call, as by `sys.setprofile`. Raises EndOfRun where the program has shown enough."""
        if event == "return" and (going := self._going.pop(frame, None)) is not None and _returns(frame):
            self._ended(*going, argument if isinstance(argument, tuple) else (argument,))
        if event != "call":
            return
        code = frame.f_code
        known = self._codes.get(code)
        if known is None:
            known = self._codes[code] = code.co_name[:1] != "<" and is_user_code(code.co_filename)
        if known:
            with contextlib.suppress(Exception):  # of the user's classes, asked about themselves
                self._met(frame, code)

    def _ended(self, watch: _LayerWatch, kind: Kind, returned: tuple[Any, ...]) -> None:
        """A forward or a backward returns."""
        if kind != "backward":
            watch.gave = returned
        if kind != "forward":
            self._returned[watch.use.target] = watch, returned
            watch.use.back.came_back = True

    def _giver(self, watch: _LayerWatch, given: Sequence[Any]) -> str:
        """The loss whose backward returned what a backward is given, if its forward was given what that one's gave."""
        sources = [one for one, items in self._returned.values() if _shares(items, given)]
        watch.ends = not sources
        found = (one.use.name for one in sources if one.ends and _shares(one.took, watch.gave))
        return next(found, "")

    def _met(self, frame: FrameType, code: CodeType) -> None:
        """A function of the user's begins: is it a layer's?"""
        if code.co_argcount and code.co_varnames[0] == "self":
            layer = frame.f_locals.get("self")
            kind = self._methods_of(type(layer)).get(code.co_name)
            if kind is not None and not self._is_inside(layer, frame) and _is_reached_by_name(type(layer), code):
                self._of_a_layer(kind, layer, frame)
        else:
            if code not in self._functions:
                self._take_pair(frame, code)
            if (found := self._functions[code]) is not None:
                self._of_a_pair(*found, frame)

    def _is_inside(self, layer: Any, frame: FrameType) -> bool:
        """Whether the layer's own forward calls a method: that is a part of it, and no use of the layer."""
        above = frame.f_back
        name = above.f_code.co_name if above is not None and above.f_locals.get("self") is layer else _CALLED
        return name != _CALLED and self._methods_of(type(layer)).get(name) == "forward"

    def _methods_of(self, cls: type) -> dict[str, Kind]:
        """The methods of a class that are its constructor, forward and backward, by name; none where it is no layer."""
        found = self._methods.get(cls)
        if found is None:
            found = {}
            with contextlib.suppress(Exception):
                target = Target(cls) if is_class(cls) else None
                pairs = target.pairs if target else []
                joined = loss_of(target.cls) if target else None
                for ahead, back in pairs:
                    found.update({joined.forward if joined else ahead: "forward", back: "backward"})
                    if ahead == back:
                        found[ahead] = "both"
                if joined is not None and hasattr(cls, joined.loss):
                    found.setdefault(joined.loss, "told")
                if pairs:
                    found[_BUILDS] = "built"
            self._methods[cls] = found
        return found

    def _take_pair(self, frame: FrameType, code: CodeType) -> None:
        """Find the pair that a function is the forward of."""
        self._functions[code] = None
        function = frame.f_globals.get(code.co_name)
        cls = pair_of(function) if getattr(function, "__code__", None) is code else None
        if cls is not None:
            back = frame.f_globals.get(getattr(cls, PAIR)[1])
            self._functions[getattr(back, "__code__", code)] = cls, "backward"
            self._functions[code] = cls, "both" if back is function else "forward"

    def _of_a_layer(self, kind: Kind, layer: Any, frame: FrameType) -> None:
        if kind == "built":
            self._watches[id(layer)] = self._watch(type(layer), _arguments(frame), layer)
        elif kind == "both" and any(names_label(n) and item is None for n, item in frame.f_locals.items()):
            return  # it is asked for the scores alone
        elif kind in ("forward", "both"):
            has_none = getattr(type(layer), _BUILDS) is object.__init__
            unseen = self._watch(type(layer), {} if has_none else None, layer)
            self._goes(self._watches.setdefault(id(layer), unseen), kind, frame)
        elif id(layer) in self._watches:
            if kind == "told":
                _take_target(self._watches[id(layer)], frame)
            else:
                self._goes(self._watches[id(layer)], kind, frame)

    def _of_a_pair(self, cls: type, kind: Kind, frame: FrameType) -> None:
        self._goes(self._watches.setdefault(id(cls), self._watch(cls, {})), kind, frame)

    def _watch(self, cls: type, init: dict[str, Any] | None, layer: Any = None) -> _LayerWatch:
        return _LayerWatch(LayerUse(cls, init, back=self._backs[cls]), layer)

    def _goes(self, watch: _LayerWatch, kind: Kind, frame: FrameType) -> None:
        self._going[frame] = watch, kind
        if kind != "backward":
            watch.took = _arrays_in(frame)
            self._goes_forward(watch, frame)
        if kind != "forward":
            self._goes_back(watch, frame)

    def _goes_forward(self, watch: _LayerWatch, frame: FrameType) -> None:
        use, name = watch.use, frame.f_code.co_name
        if use.forward == _CALLED and name != _CALLED:  # which hands on what it is given
            self._keep(use, frame)
            return
        self._end_after_a_round(watch)
        watch.forwards += 1
        others = self.uses.setdefault(use.target, [])
        waits = not watch.went_back and watch.forwards <= MOST_KEPT  # the first may be an evaluation
        is_known = use in others
        if (use.forward and not (is_known and waits)) or (not is_known and len(others) >= MOST_USES):
            return
        if not self._keep(use, frame):
            return
        watch.kept_at = watch.forwards
        use.layer = watch.layer
        is_new = not is_known and use.manner not in [other.manner for other in others]
        use.layer = _copy(watch.layer) if is_new or is_known else None  # of many layers of one manner, the first alone
        if is_new:
            others.append(use)
            self._quiet = 0

    def _goes_back(self, watch: _LayerWatch, frame: FrameType) -> None:
        """A backward begins: it is that of the last forward, and the inputs that were kept may be of another."""
        use = watch.use
        _take_target(watch, frame)
        _take_shapes(watch, frame)
        back, given = use.back, _arrays_in(frame)
        if back.turn < 0:
            back.turn = self._number_back
        back.is_asked |= frame.f_back is None or not is_dropped(frame.f_back)
        back.givers.add(self._giver(watch, given))
        back.of_entropy &= _is_of_entropy(watch.gave, given)
        if not watch.went_back and watch.forwards > watch.kept_at:
            use.forward = ""  # it is kept anew at the next one
        watch.went_back = watch.rests = True

    def _end_after_a_round(self, watch: _LayerWatch) -> None:
        """Raise EndOfRun where a layer had its backward, and nothing new came since its last round."""
        self._quiet += 1
        news = sum(map(len, self.uses.values()))
        if watch.news is None:
            watch.news = news
        elif watch.rests:
            watch.rests = False
            before, watch.news = watch.news, news
            watch.rounds = watch.rounds + 1 if before == news and watch.use.forward else 0
            waits = any(use.back.turn < 0 for uses in self.uses.values() for use in uses)
            if watch.rounds >= (MOST_ROUNDS if waits else 1) or self._has_all_asked():
                raise EndOfRun
        if self._quiet > MOST_FORWARDS and self._number_back:
            raise EndOfRun

    @property
    def _number_back(self) -> int:
        """How many classes had a backward."""
        return sum(back.turn >= 0 for back in self._backs.values())

    def _has_all_asked(self) -> bool:
        """Whether all layers that are asked for have had a backward, and nothing else is."""
        if not self.asked:
            return False
        seen = [use for uses in self.uses.values() for use in uses if use.back.turn >= 0]
        return {f"{os.path.realpath(use.file)}:{use.name}" for use in seen}.issuperset(self.asked)

    def _keep(self, use: LayerUse, frame: FrameType) -> bool:
        """Keep what a forward begins with; whether it can be given by name."""
        inputs, code = _arguments(frame), frame.f_code
        if inputs is None:
            return False
        if code.co_flags & CO_VARKEYWORDS and len(inputs) > 1:  # forward(x, **flags): these have no place
            inputs = {name: item for name, item in inputs.items() if name in code.co_varnames}
        use.forward, use.inputs, use.called_at = frame.f_code.co_name, inputs, self._place(frame)
        made = [item for watch in self._watches.values() for item in watch.gave]
        use.learned = tuple(name for name in inputs if _shares([frame.f_locals.get(name)], made))
        return True

    def _place(self, frame: FrameType) -> Where | None:
        """The line of the program from which a layer is called; where none of its lines is above, the user's."""
        layer, above = frame.f_locals.get("self"), frame.f_back
        while above is not None and (
            not above.f_code.co_filename.startswith(self.program)
            or (layer is not None and above.f_locals.get("self") is layer)
        ):
            above = above.f_back
        return users_place(above or frame.f_back)


def _arrays_in(frame: FrameType) -> tuple[Any, ...]:
    """The arrays that a function was given, where it begins."""
    return tuple(item for item in frame.f_locals.values() if isinstance(item, np.ndarray))


def _returns(frame: FrameType) -> bool:
    """Whether a function that ends stands at a `return`, and does not raise."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] in ("RETURN_VALUE", "RETURN_CONST")


def _shares(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether one array is among both."""
    return any(a is b and a is not None for a in some for b in others)


@otherwise(False)
def _is_of_entropy(outputs: Sequence[Any], given: Sequence[Any]) -> bool:
    """Whether a backward is given `-t / y`, or `-t`, of the only output and targets with one 1: not averaged."""
    (y,), (dout,) = outputs, given
    picked = (dout * y if np.all(y > 0) else dout)[dout != 0]
    has_one = any(np.all(np.count_nonzero(dout, axis=axis) == 1) for axis in range(np.ndim(dout)))
    return has_one and np.allclose(picked, -1)


def _take_target(watch: _LayerWatch, frame: FrameType) -> None:
    """Keep the target that a loss, which is joined to its forward, or its backward is given."""
    joined = loss_of(Target(watch.use.target).cls)
    if joined is not None and watch.forwards == watch.kept_at:
        given = (_arguments(frame) or {}).get(joined.target)
        if watch.use.inputs.get(joined.target) is None:
            watch.use.inputs[joined.target] = given


def _take_shapes(watch: _LayerWatch, frame: FrameType) -> None:
    """Keep an input as backward is given it again, `loss.back(y, t.reshape(y.shape))`, where its axes are others."""
    if watch.forwards != watch.kept_at:
        return
    for name, item in (_arguments(frame) or {}).items():
        kept = watch.use.inputs.get(name)
        if not (isinstance(kept, np.ndarray) and isinstance(item, np.ndarray)) or kept.shape == item.shape:
            continue
        if np.array_equal(kept.ravel(), item.ravel()):
            watch.use.inputs[name] = item


def _is_reached_by_name(cls: type, code: CodeType) -> bool:
    """Whether it is the method that a call of that name on the class reaches, and no `super()` call inside."""
    for base in mro_of(cls):
        item = vars_of(base).get(code.co_name)
        if item is not None:
            return getattr(behind(inspect.unwrap(item)), "__code__", None) is code
    return False


def _copy(layer: Any) -> Any:
    """A copy of a layer; None of a large one, and where there is none."""
    if layer is not None and is_small(layer):
        with contextlib.suppress(TargetError):
            return deep_copy(layer)
    return None


@otherwise(None)
def _arguments(frame: FrameType) -> dict[str, Any] | None:
    """A call's arguments by name, copied; None where some have no name beside others, or cannot be copied.

    Where all come as `*args`, their names are those of a trace: `args[0]`.
    """
    code, names = frame.f_code, frame.f_locals
    number = code.co_argcount + code.co_kwonlyargcount
    given = {name: names[name] for name in code.co_varnames[:number] if name != "self" and name in names}
    if code.co_flags & CO_VARARGS:
        rest = names.get(code.co_varnames[number]) or ()
        if rest and given:
            return None
        given = given or {f"{code.co_varnames[number]}[{place}]": item for place, item in enumerate(rest)}
        number += 1
    if code.co_flags & CO_VARKEYWORDS:
        given.update(names.get(code.co_varnames[number]) or {})
    numbers = {name: _without_names(item) for name, item in given.items()}
    return {name: anew(item) if is_small(item) else item for name, item in numbers.items()}


def _without_names(item: Any) -> Any:
    """The numbers of a table, as of pandas, whose columns have names; anything else as it is."""
    if isinstance(item, np.ndarray | np.generic) or not hasattr(type(item), "__array__"):
        return item
    found = np.asarray(item)
    return found if found.dtype.kind in "fiu" and found.ndim else item
