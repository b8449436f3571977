"""Which of the loaded modules are the user's."""

from __future__ import annotations

import operator
import sys
from types import ModuleType
from typing import Any

from dout.run import names_of
from dout.trace.model.user_source import is_user_code

ANSWERED = frozenset({"numpy", "scipy", "math"})  # libraries whose functions are recorded, not looked into
FINDERS = frozenset({"modules", "import_module", "__import__"})  # names by which code finds modules without a statement
_Found = dict[tuple[str | None, ...], list[ModuleType]]  # by targets
_known: tuple[list[Any], _Found] = ([], {})  # all that was loaded when it was last asked for, and what was found then
_judged: dict[str, tuple[ModuleType, bool]] = {}  # by module name: judging hundreds of them anew costs a millisecond


def is_of_user(name: str, module: Any) -> bool:
    """Whether something is a module of the user's."""
    known = _judged.get(name)
    if known is None or known[0] is not module:
        file = names_of(module).get("__file__")
        known = _judged[name] = (module, type(file) is str and is_user_code(file))
    return known[1]


def is_loaded(names: dict[str, Any]) -> bool:
    """Whether these are the names of a module in `sys.modules`: `exec` and `runpy` make others, and loaders may."""
    module = sys.modules.get(str(names.get("__name__")))
    return names_of(module) is names


def user_modules(*targets: str | None) -> list[ModuleType]:
    """The user's own modules that are loaded: no library's, but the whole package of each target, also installed."""
    global _known
    loaded, (before, known) = [*sys.modules.values()], _known
    if len(before) != len(loaded) or not all(map(operator.is_, before, loaded)):
        known = {}
        _known = loaded, known
    if targets not in known:
        known[targets] = _found(*targets)
    return list(known[targets])


def _found(*targets: str | None) -> list[ModuleType]:
    """The same, looked for among all that is loaded."""
    packages = {name.partition(".")[0] for name in targets if name} - {"dout", "builtins"}
    found = []
    for name, module in list(sys.modules.items()):
        named = name == "__main__" or name in targets or (packages and name.partition(".")[0] in packages)
        if named or is_of_user(name, module):
            found.append(module)
    return [module for module in found if names_of(module).get("__name__", "builtins") != "builtins"]


def last_part(name: str) -> str:
    """How a module is called without its packages."""
    return name.rpartition(".")[2]
