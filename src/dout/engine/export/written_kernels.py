"""The kernels of a module: each once, with a name of its own, and of a pair for two dtypes a table."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from dout.engine.codegen.loop_body import INDENT
from dout.engine.export.dtype_merge import Both
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
