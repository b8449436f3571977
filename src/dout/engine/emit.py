"""From a group to the readable source of its kernel."""

from __future__ import annotations

from dout.engine.scalar import fusible

__all__ = ["fusible"]
