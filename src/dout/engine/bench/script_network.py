"""The network that a script trains: the script runs until it asks its network for gradients, and no further."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from dout.adapt.interface.interface import DOUT, Interface
from dout.engine.bench.layer_times import layers_of
from dout.errors import TargetError
from dout.run import deep_copy
from dout.trace.record.script import run_user_code
from dout.trace.session.layer_calls import KINDS

ASKED = ("gradient", "forward")  # methods of an object that holds layers: the first that is called

Given = dict[str, Any]


class _Met(BaseException):
    """The call that was looked for begins: nothing of the user's catches this."""


def network_of(path: Path) -> tuple[Any, Given, Interface | None]:
    """The network that a script trains, what the script gives it first, and how it is called, where not plainly.

    Of a method `gradient` that computes forward and backward, that method. Else the forward is what of the network has
    ended last where its backward begins: `loss(x, t)` of a network whose `backward()` starts from that. Network and
    arguments are copies. Raises TargetError where the script ends before, and UserCodeError for what it raises.
    """
    listener = _Listener()
    run_user_code(lambda: _run(path, listener.hear), str(path))
    if listener.found is None:
        raise TargetError(
            f"{path} ends without a call of gradient or forward of an object that holds layers; "
            f"name a network and the file that it is written in: FILE.py:Net"
        )
    return listener.found


def _run(path: Path, hear: Callable[[FrameType, str, Any], None]) -> None:
    kept = sys.argv, sys.path[:]
    sys.argv = [str(path)]
    sys.path.insert(0, os.fspath(path.resolve().parent))
    sys.setprofile(hear)
    try:
        runpy.run_path(str(path), run_name="__main__")
    except _Met:
        pass
    finally:
        sys.setprofile(None)
        sys.argv, sys.path[:] = kept


class _Listener:
    """Hears the calls of a script until the backward of its network begins; `found` is what `network_of` returns."""

    def __init__(self) -> None:
        self.network: Any = None
        self.found: tuple[Any, Given, Interface | None] | None = None
        self._inputs: Given = {}
        self._open: dict[FrameType, tuple[Any, str, Given]] = {}  # calls of the network's methods, the innermost first

    def hear(self, frame: FrameType, event: str, _: Any) -> None:
        """One event of `sys.setprofile`."""
        name = frame.f_code.co_name
        if event == "return" and frame in self._open:
            self._end(frame)
        elif event == "call" and self.network is None and name in ASKED:
            self._begin(frame)
        elif event == "call" and self.found and name in KINDS and _holder(frame) is self.network:
            network, given, interface = self.found
            if interface is not None and name == interface.backward:
                self.found = network, given, replace(interface, roles=self._roles(_given(frame)))
            self._stop()

    def _begin(self, frame: FrameType) -> None:
        network = _holder(frame)
        if network is None or len(layers_of(network)) < 2:
            return
        name = frame.f_code.co_name
        copy, given = deep_copy((network, _given(frame)))
        if name not in KINDS:
            self.found = getattr(copy, name), given, None
            self._stop()
        self.network, outer = network, frame.f_back
        self._open = {frame: (copy, name, given)}
        while outer is not None and _holder(outer) is network:
            self._open[outer] = copy, outer.f_code.co_name, deep_copy(_given(outer))
            outer = outer.f_back

    def _end(self, frame: FrameType) -> None:
        network, name, given = self._open.pop(frame)
        self._inputs = _given(frame)
        self.found = network, given, None if name in KINDS else Interface(name)

    def _stop(self) -> None:
        sys.setprofile(None)
        raise _Met

    def _roles(self, given: Given) -> tuple[str, ...]:
        """For each argument of backward, the argument of forward that it is, or the upstream gradient."""
        return tuple(next((n for n, x in self._inputs.items() if x is item), DOUT) for item in given.values())


def _holder(frame: FrameType) -> Any:
    """The object whose method runs in a frame: its first argument; None of others."""
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    return frame.f_locals.get(names[0]) if names else None


def _given(frame: FrameType) -> Given:
    """The arguments of a method, without the first, by name."""
    code = frame.f_code
    return {name: frame.f_locals[name] for name in code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]}
