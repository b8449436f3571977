"""The function that the user calls: it has their signature, tries the programs, and otherwise asks for a new one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from dout.engine.codegen.driver import MISS
from dout.errors import ShapeError

_PLAIN = inspect.Parameter.POSITIONAL_OR_KEYWORD

_NAMED = """def compiled({declared}, *, out=None):
    for _dout_run in _dout_owner.runs:
        _dout_result = _dout_run({given})
        if _dout_result is not _dout_miss:
            return _dout_result if out is None else _dout_into(out, _dout_result)
    _dout_result = _dout_owner.slowly(({given},), {{}})
    return _dout_result if out is None else _dout_into(out, _dout_result)
"""

_GENERAL = """def compiled(*args, **kwargs):
    for _dout_run in _dout_owner.by_form.get((len(args), *kwargs), ()):
        _dout_result = _dout_run(*args, *kwargs.values())
        if _dout_result is not _dout_miss:
            return _dout_result
    return _dout_owner.slowly(args, kwargs)
"""


class Owner(Protocol):
    """What a stub asks of the compiled function that it stands for."""

    function: Callable[..., Any]
    derives: Any
    runs: tuple[Callable[..., Any], ...]
    by_form: dict[tuple[Any, ...], tuple[Callable[..., Any], ...]]

    def slowly(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Answer a call that no program stands for yet."""


def stub(owner: Owner) -> Callable[..., Any]:
    """Return the function that stands for the user's one, with its name, signature, defaults and documentation.

    It also takes `out`, an array for the result, if all parameters of the user's function are plain names, and none is
    called `out`.
    """
    parameters = _parameters(owner.derives.function if owner.derives else owner.function)
    plain = (p.kind is _PLAIN and p.name != "out" and not p.name.startswith("_dout_") for p in parameters)
    names = {"_dout_owner": owner, "_dout_miss": MISS, "_dout_into": into}
    source = _GENERAL
    if parameters and all(plain):
        defaults = {f"_dout_{p.name}": p.default for p in parameters if p.default is not p.empty}
        declared = [p.name + (f"=_dout_{p.name}" if f"_dout_{p.name}" in defaults else "") for p in parameters]
        given = ", ".join(p.name for p in parameters)
        source = _NAMED.format(declared=", ".join(declared), given=given)
        names = defaults | names
    made = _executed(source, getattr(owner.function, "__name__", "function"), names)
    functools.update_wrapper(made, owner.function)
    return made


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of the function that is called, not of one that it wraps; none where Python cannot say."""
    if hasattr(function, "__signature__"):
        return []
    try:
        return list(inspect.signature(function, follow_wrapped=False).parameters.values())
    except (TypeError, ValueError):
        return []


def _executed(source: str, name: str, names: dict[str, Any]) -> Callable[..., Any]:
    """The function; its module and file tell a recording that it is a library's, not the user's."""
    namespace: dict[str, Any] = {**names, "__name__": "dout"}
    exec(compile(source, f"dout.compile({name})", "exec"), namespace)
    made: Callable[..., Any] = namespace["compiled"]
    return made


def into(out: Any, result: Any) -> Any:
    """Write a result into the caller's array, as NumPy does. ShapeError if it is no array of that shape."""
    single = isinstance(result, np.ndarray | np.generic | float | int | complex)
    if not single or np.shape(result) != np.shape(out):
        what = f"one of shape {np.shape(result)}" if single else f"a {type(result).__name__}"
        raise ShapeError(f"out is an array of shape {np.shape(out)}, but the result is {what}")
    np.copyto(out, result, casting="same_kind")
    return out
