"""The layers that a recorded program has: which methods and functions of it are a forward and its backward."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dout.adapt.interface.function_pairs import PAIR, function_pairs
from dout.adapt.interface.interface_candidates import method_names
from dout.trace.session.function_layers import PairedFunctions
from dout.trace.session.layer_calls import LayerMethods, plain_methods


def methods_of(cls: type) -> LayerMethods | None:
    """The methods of a layer; None where the class is none, or nobody can tell."""
    plain = plain_methods(cls)
    try:
        names = method_names(cls)
    except Exception:  # what a class answers when it is asked for its methods
        names = None
    if plain is not None:
        return plain._replace(takes_dout=names is not None)
    return None if names is None else LayerMethods(names[0], names[1])


def pairs_of(names: Mapping[str, Any]) -> Iterator[PairedFunctions]:
    """The functions of a module that go forward and back; not those that give a local derivative."""
    for cls in function_pairs(names).values():
        forward, backward = getattr(cls, PAIR)
        if forward != backward and re.search("back|bprop", backward, re.IGNORECASE):
            methods = methods_of(cls)
            yield PairedFunctions(forward, backward, methods is not None and methods.takes_dout)
