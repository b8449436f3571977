"""Layers in other people's interfaces, as users write them; each right. The tests break them one edit at a time.

One file a family of interfaces; a file that is added here is found. `edited_layers.py` says of each layer which
arguments are judged, and `tests/adapt/test_adapt_interfaces.py` which edits make which of them wrong.
"""

import importlib
import pkgutil

FAMILIES = [f"{__name__}.{part.name}" for part in pkgutil.iter_modules(__path__)]

for _name in FAMILIES:
    _found = vars(importlib.import_module(_name))
    globals().update({name: item for name, item in _found.items() if getattr(item, "__module__", None) == _name})
