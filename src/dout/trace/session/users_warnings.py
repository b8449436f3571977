"""NumPy's warnings point to the user's line, not to the line of ours that ran the operation for them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dout.trace.model import user_source


@contextmanager
def users_warnings() -> Iterator[None]:
    """Show each warning that arises inside where the user's code caused it, once for each line, as Python does."""
    passed_on = warnings.showwarning
    seen: set[tuple[str, type[Warning], str, int]] = set()

    def show(message: Any, category: type[Warning], file: str, line: int, *rest: Any, **options: Any) -> None:
        if user_source.is_ours(file):
            _forget(file)
            frame = user_source.user_frame(sys._getframe(1))
            if frame is not None:
                file, line = frame.f_code.co_filename, frame.f_lineno
            if (key := (str(message), category, file, line)) in seen:
                return
            seen.add(key)
        passed_on(message, category, file, line, *rest, **options)

    patched: Any = warnings
    patched.showwarning = show
    try:
        yield
    finally:
        if patched.showwarning is show:
            patched.showwarning = passed_on


def _forget(file: str) -> None:
    """Python shows a warning once a line, and the line is ours for every operation: let the next one through."""
    for name, module in list(sys.modules.items()):
        if name.startswith("dout.") and getattr(module, "__file__", None) == file:
            vars(module).pop("__warningregistry__", None)
