"""The rows of the tests' corpus of forwards, for benchmarks."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from forward_corpus import OTHER, SMALL, TIMED, Draw, Example, ForwardRow, hand_written, rows


def wanted_rows(only: Collection[str]) -> list[ForwardRow]:
    """The rows of families or classes with these names; every one without names."""
    return [row for row in rows() if not only or row.family in only or row.name in only]


__all__ = ["OTHER", "SMALL", "TIMED", "Draw", "Example", "ForwardRow", "hand_written", "rows", "wanted_rows"]
