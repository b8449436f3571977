"""Two ways through a method, one for float32 and one for float64, as one way for both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dout.engine.export.written_methods import Branch, KernelText

_FLOAT = re.compile(r"np\.float(?:32|64)\b")
_TYPE = re.compile(r"type\((\w+)\) is (\w+)")
_KIND = "np.float@"
_OF_ARRAYS = re.compile(r"\.shape|\.flags|share_memory")
_FIRST = re.compile(r"is_array\(([^()]*), np\.float@(|, \d+)\)")


@dataclass(frozen=True)
class Both:
    """One way for both dtypes: in its lines `@k0@` stands for the kernel number 0, one of a pair, by `dtype`."""

    conditions: tuple[str, ...]
    lines: tuple[str, ...]
    kernels: tuple[tuple[KernelText, KernelText], ...]
    dtype: str


def merged(branches: Sequence[Branch]) -> list[Branch | Both]:
    """The ways, where two that differ in the dtype of floats alone are one."""
    found: list[Branch | Both] = []
    waiting = list(branches)
    while waiting:
        one = waiting.pop(0)
        for other in waiting:
            both = _both(one, other)
            if both is not None:
                waiting.remove(other)
                found.append(both)
                break
        else:
            found.append(one)
    return _of_any_number(found)


def _of_any_number(ways: Sequence[Branch | Both]) -> list[Branch | Both]:
    """The ways, where those that do the same with a float and with an int are one."""
    found: list[Branch | Both] = []
    for way in ways:
        for place, other in enumerate(found):
            apart = [pair for pair in zip(way.conditions, other.conditions, strict=False) if pair[0] != pair[1]]
            alike = (way.lines, way.kernels) == (other.lines, other.kernels)
            if alike and len(way.conditions) == len(other.conditions) and len(apart) == 1:
                one, two = map(_TYPE.fullmatch, apart[0])
                if one and two and one[1] == two[1]:
                    either = f"type({one[1]}) in ({two[2]}, {one[2]})"
                    conditions = tuple(either if c == apart[0][1] else c for c in other.conditions)
                    found[place] = replace(other, conditions=conditions)
                    break
        else:
            found.append(way)
    return found


def _both(one: Branch, other: Branch) -> Both | None:
    conditions, written = _alike(one.conditions, other.conditions), _alike(one.lines, other.lines)
    if conditions is None or written is None or len(one.kernels) != len(other.kernels):
        return None
    first = next((match for match in map(_FIRST.fullmatch, conditions) if match), None)
    if first is None:
        return None
    array, axes = first[1], first[2]
    dtype = f"{array}.dtype"
    before = [c for c in conditions if _KIND not in c and not c.startswith("is_array(") and not _OF_ARRAYS.search(c)]
    after = [c for c in conditions if c not in before and c != first[0]]
    texts = [f"is_floats({array}{axes})", *(_of_dtype(c, dtype) for c in after)]
    lines = tuple(_of_dtype(line, dtype).replace(f"np.empty({array}.shape, {dtype})", f"np.empty_like({array})")
                  for line in written)  # fmt: skip
    return Both((*before, *texts), lines, tuple(zip(one.kernels, other.kernels, strict=True)), dtype)


def _alike(texts: Sequence[str], others: Sequence[str]) -> tuple[str, ...] | None:
    """The one text of each two, where one has float32 and the other float64; None where they differ in more."""
    if len(texts) != len(others):
        return None
    found = []
    for text, other in zip(texts, others, strict=True):
        between, dtypes = _FLOAT.split(text), list(zip(_FLOAT.findall(text), _FLOAT.findall(other), strict=False))
        if between != _FLOAT.split(other) or any(pair[0] > pair[1] for pair in dtypes):
            return None
        marks = [_KIND if one != two else one for one, two in dtypes]
        found.append("".join(part for pair in zip(between, [*marks, ""], strict=True) for part in pair))
    return tuple(found)


def _of_dtype(text: str, dtype: str) -> str:
    """The text for arrays of a dtype: as a type where it is called or compared with one."""
    text = text.replace(f"{_KIND}(", f"{dtype}.type(")
    if text.startswith("type("):
        return text.replace(_KIND, f"{dtype}.type")
    return text.replace(_KIND, dtype)
