"""A running call of a layer in; where the user's code calls it, and where that keeps it, out."""

from __future__ import annotations

import itertools
from typing import Any

from dout.run import attributes_of
from dout.trace.session.attribute_swap import unmangled

_COMPREHENSIONS = ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")
_MOST_KEPT = 200  # layers in a list or dict


def calling_frame(site: Any, layer: Any) -> Any:
    """The frame in which a layer is called, `self.query(x)`, above that of its own `__call__`."""
    code = site.f_code
    is_own = code.co_name == "__call__" and code.co_argcount and site.f_locals.get(code.co_varnames[0]) is layer
    return site.f_back if is_own and site.f_back is not None else site


def kept_as(site: Any, instance: Any) -> str:
    """Where the caller keeps a layer: its key in a dict, `layers[3]`, else its attribute; empty where nowhere.

    An attribute may point to one layer of a list after the other: `self.current = layer`.
    """
    while site.f_code.co_name in _COMPREHENSIONS and site.f_back is not None:
        site = site.f_back
    here = site.f_locals
    own = attributes_of(here["self"]) if "self" in here else {}
    for name, item in itertools.chain(own.items(), here.items()):
        if not isinstance(item, dict | list | tuple) or len(item) > _MOST_KEPT or name.startswith("__"):
            continue
        if isinstance(item, dict):
            found = next((key for key, part in item.items() if part is instance), None)
            if isinstance(found, str):
                return found
        else:
            place = next((i for i, part in enumerate(item) if part is instance), None)
            if place is not None:
                return f"{unmangled(name)}[{place}]"
    return next((unmangled(name) for name, item in own.items() if item is instance and isinstance(name, str)), "")
