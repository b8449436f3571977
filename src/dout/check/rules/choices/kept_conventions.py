"""The gradients of a layer that keep to a convention, and what its rules tell of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dout.check.exact.judge import Convention, Judgement
from dout.judge.outcomes import Word

Kept = Mapping[str, Convention]  # by argument


def keeping(judgement: Judgement, word: Word) -> Kept:
    """Return the conventions with this verdict."""
    return {name: kept for name, kept in judgement.conventions.items() if kept.word == word}


def told(found: Kept) -> dict[str, Any]:
    """Return the details that every finding on a convention has: the only argument, and the reasons."""
    return {"argument": next(iter(found)) if len(found) == 1 else None, "because": "; ".join(by_reason(found))}


def by_reason(found: Kept) -> dict[str, list[str]]:
    """Return the arguments, by what is said of their gradients."""
    groups: dict[str, list[str]] = {}
    for name, convention in found.items():
        groups.setdefault(convention.because, []).append(name)
    return groups


def gradient_of(names: Sequence[str]) -> str:
    """Say of which arguments: `gradient of W and b`."""
    return f"gradient of {', '.join(names[:-1])}{' and ' if len(names) > 1 else ''}{names[-1]}"
