"""An example that the author gives: a function `dout_example()` beside a class, or in it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any

from dout.errors import TargetError
from dout.run import module_of, names_of

NAME = "dout_example"


def given_beside(target: Any, names: list[str]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Constructor arguments and inputs as the author gives them; None where there are none for this target.

    `dout_example()` is a static method of the class, or a function of its module, and returns
    `{"init": {...}, "inputs": {...}}`; that of a module may return several of them, by the name of the class or
    function. Inputs are a dict by name, or a tuple in the order of `names`. Raises TargetError.

    >>> class Scale:
    ...     @staticmethod
    ...     def dout_example():
    ...         return {"init": {"k": 3.0}, "inputs": (2.0,)}
    >>> given_beside(Scale, ["x"])
    ({'k': 3.0}, {'x': 2.0})
    """
    cls = target if inspect.isclass(target) or inspect.isroutine(target) else type(target)
    home = cls.__module__ if inspect.isroutine(cls) else module_of(cls)
    function = getattr(cls, NAME, None) or names_of(sys.modules.get(str(home))).get(NAME)
    if not callable(function):
        return None
    try:
        found = function()
    except Exception as error:
        raise TargetError(f"{NAME}() raises {type(error).__name__}: {error}") from error
    if isinstance(found, Mapping) and not {"init", "inputs"} & set(found):
        found = found.get(cls.__name__)
        if found is None:
            return None
    init, inputs = (found.get("init", {}), found.get("inputs", {})) if isinstance(found, Mapping) else (None, None)
    if isinstance(inputs, list | tuple):
        inputs = dict(zip(names, inputs, strict=False))
    if not isinstance(init, Mapping) or not isinstance(inputs, Mapping):
        raise TargetError(
            f'{NAME}() of {cls.__name__} must return {{"init": {{…}}, "inputs": {{…}}}}, or several by name'
        )
    return dict(init), dict(inputs)
