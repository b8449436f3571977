"""The kernels of a module: each once, with a name of its own, and of a pair for two dtypes a table."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dout.engine.codegen.loop_body import INDENT
from dout.engine.export.written_methods import Branch, KernelText

WIDTH = 120
_CALL = re.compile(r"(?P<start>[^()]*(?:\(\))?[^()]*\()(?P<arguments>[^()]*(?:\([^()]*\)[^()]*)*)(?P<end>\)+:?)")
_OPTIONS = 'cache=True, error_model="numpy"'
_BY_DTYPE = [
    "def by_dtype(f32, f64):",
    '    """One kernel for each dtype."""',
    "    return {np.dtype(np.float32): f32, np.dtype(np.float64): f64}",
]


def wrapped(line: str, width: int) -> list[str]:
    """A line, or the lines of it: a call or a head that is too long has its arguments below it, a docstring words."""
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    if line.lstrip().startswith('"""'):
        return [
            *textwrap.wrap(line.strip()[:-3], width, initial_indent=indent, subsequent_indent=indent),
            f'{indent}"""',
        ]
    call = _CALL.fullmatch(line)
    if call is None:
        return [line]
    more = indent + INDENT * (2 if call["end"].endswith(":") else 1)
    inside = textwrap.wrap(call["arguments"], width, initial_indent=more, subsequent_indent=more)
    return [call["start"], *inside, indent + call["end"]]


class Kernels:
    """The kernels of a module, by the name that they have there. No name is one of `taken`."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.names: dict[KernelText, str] = {}
        self.tables: dict[tuple[KernelText, KernelText], str] = {}

    @property
    def calls(self) -> set[str]:
        """The functions that they call."""
        return {name for kernel in self.names for name in kernel.calls}

    def called(self, way: Branch | Both, stem: str) -> list[str]:
        """The lines of a way through a method, with the names of its kernels, which begin with `stem`."""
        lines = list(way.lines)
        for index in range(len(way.kernels)):
            wish = f"{stem}_{index + 1}" if len(way.kernels) > 1 else stem
            if isinstance(way, Branch):
                name = self._name(way.kernels[index], wish)
            elif len(set(way.kernels[index])) == 1:
                name = self._name(way.kernels[index][0], wish)
            else:
                name = f"{self._table(way.kernels[index], wish)}[{way.dtype}]"
            lines = [line.replace(f"@k{index}@", name) for line in lines]
        return lines

    def lines(self) -> Iterator[str]:
        """Their texts."""
        for kernel, name in self.names.items():
            yield from ["", "", f"@njit({_OPTIONS})", *wrapped(f"def {name}({kernel.parameters}):", WIDTH)]
            for line in kernel.body.split("\n"):
                yield from wrapped(line, WIDTH)
        if self.tables:
            yield from ["", "", *_BY_DTYPE, "", ""]
        for (one, other), name in self.tables.items():
            yield f"{name} = by_dtype({self.names[one]}, {self.names[other]})"

    def _table(self, pair: tuple[KernelText, KernelText], wish: str) -> str:
        if pair not in self.tables:
            self.tables[pair] = self._new(wish)
            for kernel, width in zip(pair, ("f32", "f64"), strict=True):
                self._name(kernel, f"{wish}_{width}")
        return self.tables[pair]

    def _name(self, kernel: KernelText, wish: str) -> str:
        """The name of a kernel; a new one is called as near to the wish as can be."""
        if kernel not in self.names:
            self.names[kernel] = self._new(wish)
        return self.names[kernel]

    def _new(self, wish: str) -> str:
        name, number = wish, 1
        while name in self.taken:
            number += 1
            name = f"{wish}_{number}"
        self.taken.add(name)
        return name


_FLOAT = re.compile(r"np\.float(?:32|64)\b")
_TYPE = re.compile(r"type\((\w+)\) is (\w+)")
_KIND = "np.float@"
_OF_ARRAYS = re.compile(r"\.shape|\.flags|share_memory")
_FIRST = re.compile(r"is_array\(([^()]*), np\.float@(|, \d+)\)")


# --- one way for both dtypes ------------------------------------------------------------------------------------------


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
