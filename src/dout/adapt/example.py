"""A small input for a layer or function that was given none, found by bounded trial."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dout.errors import DoutError, TargetError
from dout.trace.model import Trace
from dout.trace.record import record

# The slides' own array first: two signs, no symmetry, and it prints whole.
_ARRAYS = (
    [[1.0, -0.5], [-2.0, 3.0]],
    [[0.5, 2.0], [1.5, -1.0]],
    [[-1.5, 1.0], [0.25, 2.5]],
    [[2.0, 0.5], [3.0, -0.75]],
)
_NUMBERS = (2.0, 3.0, 0.5, -1.5)


def build(target: Any, options: Mapping[str, Any]) -> Callable[[], Any]:
    """Return a function that gives a fresh instance of a class with these constructor arguments, or `target` itself.

    Raises TargetError naming the arguments that are missing or unknown.
    """
    if not inspect.isclass(target):
        if options:
            raise TargetError(f"{_name(target)} is not a class: --init has nothing to build")
        return lambda: target
    wanted = _parameters(target)
    missing = [p.name for p in wanted if p.default is p.empty and p.name not in options and _is_named(p)]
    unknown = set(options) - {p.name for p in wanted} if all(map(_is_named, wanted)) else set()
    if unknown:
        raise TargetError(f"{_name(target)} has no argument {', '.join(sorted(unknown))}")
    if missing:
        give = " ".join(f"--init '{name}=…'" for name in missing)
        raise TargetError(f"{_name(target)} needs {', '.join(missing)} to be built: give {give}")
    return lambda: target(**options)


def record_example(target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[Trace, dict[str, Any]]:
    """Record a layer class, a layer or a function on `inputs`, or on small ones that it takes; return those too.

    Raises TargetError where an input is unknown or none that was tried is taken, with the last error of the user's
    code as its cause; and what the user's code raises on inputs that were given.
    """
    make = build(target, init)
    forward = getattr(target, "forward", target)
    parameters = [p for p in _parameters(forward) if p.name != "self"]
    names = {p.name for p in parameters}
    named = {_placed(key, parameters): value for key, value in inputs.items()}
    if all(map(_is_named, parameters)) and set(named) - names:
        takes = ", ".join(names) or "nothing"
        raise TargetError(f"{_name(target)}.forward takes {takes}, not {', '.join(sorted(set(named) - names))}")
    open_ = [p.name for p in parameters if _is_named(p) and p.default is p.empty and p.name not in named]
    if not open_:
        return _recorded(make, parameters, named), named
    last: Exception | None = None
    for chosen in _candidates(open_):
        whole = {**named, **chosen}
        try:
            return _recorded(make, parameters, {k: _copy(v) for k, v in whole.items()}), whole
        except DoutError:
            raise
        except Exception as error:  # an input the layer does not take: the next one may be right
            last = error
    give = " ".join(f"--input '{name}=…'" for name in open_)
    raise TargetError(
        f"{_name(target)} took none of the small inputs tried ({type(last).__name__}: {last}): give {give}"
    ) from last


def _recorded(make: Callable[[], Any], parameters: list[inspect.Parameter], named: Mapping[str, Any]) -> Trace:
    ordered = [named[p.name] for p in parameters if p.name in named and _is_named(p)]
    contiguous = [p.name for p in parameters if _is_named(p)][: len(ordered)]
    if set(contiguous) <= set(named):
        rest = {key: value for key, value in named.items() if key not in contiguous}
        return record(make(), *ordered, **rest)
    return record(make(), **named)


def _candidates(names: list[str]) -> Iterator[dict[str, Any]]:
    yield {name: np.array(_ARRAYS[i % len(_ARRAYS)]) for i, name in enumerate(names)}
    yield {name: _NUMBERS[i % len(_NUMBERS)] for i, name in enumerate(names)}
    yield {name: np.array(_ARRAYS[i % len(_ARRAYS)][0]) for i, name in enumerate(names)}


def _parameters(function: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def _is_named(parameter: inspect.Parameter) -> bool:
    return parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def _placed(key: str, parameters: list[inspect.Parameter]) -> str:
    """An input given without a name is for the argument in its place."""
    return parameters[int(key)].name if key.isdigit() and int(key) < len(parameters) else key


def _copy(item: Any) -> Any:
    return item.copy() if isinstance(item, np.ndarray) else item


def _name(target: Any) -> str:
    return getattr(target, "__qualname__", None) or type(target).__qualname__
