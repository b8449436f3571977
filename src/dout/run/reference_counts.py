"""What `sys.getrefcount` says of an object that one local variable alone holds: interpreters count differently."""

from __future__ import annotations

from collections import deque
from sys import getrefcount

__all__ = ["OF_A_LOCAL"]


def _of_a_local() -> int:
    owner = deque([object()]).pop()
    return getrefcount(owner)


OF_A_LOCAL = _of_a_local()
