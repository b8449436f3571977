"""The network that a script trains: the script runs until it asks its network for gradients, and no further."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from dout.engine.bench.layer_times import layers_of
from dout.errors import TargetError
from dout.run import deep_copy
from dout.trace.record.script import run_user_code

ASKED = ("gradient", "forward")  # methods of an object that holds layers: the first that is called


class _Met(BaseException):
    """The call that was looked for begins: nothing of the user's catches this."""


def network_of(path: Path) -> tuple[Any, dict[str, Any]]:
    """The method `gradient` of a network, or the network with its forward, and what the script gives to it first.

    They are copies. Raises TargetError where the script ends before, and UserCodeError for what it raises.
    """
    met: list[tuple[Any, dict[str, Any]]] = []

    def hear(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name in ASKED and (found := _asked(frame)):
            sys.setprofile(None)
            met.append(found)
            raise _Met

    run_user_code(lambda: _run(path, hear), str(path))
    if not met:
        raise TargetError(
            f"{path} ends without a call of gradient or forward of an object that holds layers; "
            f"name a network and the file that it is written in: FILE.py:Net"
        )
    return met[0]


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


def _asked(frame: FrameType) -> tuple[Any, dict[str, Any]] | None:
    """The network whose method begins in a frame, and its arguments by name; None for other functions."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    network = frame.f_locals.get(names[0]) if names else None
    if network is None or len(layers_of(network)) < 2:
        return None
    copy, given = deep_copy((network, {name: frame.f_locals[name] for name in names[1:]}))
    return (copy if code.co_name == "forward" else getattr(copy, code.co_name)), given
