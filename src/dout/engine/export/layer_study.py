"""One layer, studied: the ways through its methods, or the reasons why they stay as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from dout.adapt.search.example_search import Example
from dout.engine.export.class_source import UsersFile
from dout.engine.export.sample_runs import SampleRun, SampleSize, Specimen
from dout.engine.export.written_methods import Branch, branch, of_any_axes, of_lengths_above_one
from dout.errors import UnsupportedError
from dout.run import quiet
from dout.trace.session.layer_calls import KINDS

Runs = list[tuple[SampleRun, ...]]
_IN_PLACE = re.compile(r"\w+ [-+*/]= ")
_LONGER, _LONG = 2, 4  # lines, against the user's


@dataclass(frozen=True)
class Layer:
    """A layer class of the user's, with an example of its arguments; None where there is none, and why."""

    cls: type
    example: Example | None
    why_not: str = ""


class Study:
    """What was found about a layer.

    `plain` says of methods why they stay as they are, `sizes` at which sizes others ran. `above_one`: whether
    kernels are only for lengths above one; `any_axes`: whether those that do not ask for a number of axes take others.
    """

    def __init__(self, layer: Layer, module: ModuleType, file: UsersFile, dtypes: Sequence[str]) -> None:
        self.name = layer.cls.__name__
        self.module, self.file = module, file
        self.plain: dict[str, str] = {}
        self.above_one = False
        self.any_axes = True
        self.sizes: dict[str, list[SampleSize]] = {}
        self.specimen: Specimen | None = None
        self._ways: dict[str, list[Branch]] = {}
        example = layer.example
        if example is None:
            self.plain = dict.fromkeys(KINDS, layer.why_not)
        elif example.interface is not None and not example.interface.is_plain:
            self.plain = dict.fromkeys(KINDS, "it is not called as forward(*inputs) and backward(dout)")
        else:
            with quiet():
                self._record(Specimen(layer.cls, example, dtypes))

    def _record(self, specimen: Specimen) -> None:
        """Run the layer at several sizes, at as many as one text will do for."""
        self.specimen = specimen
        for sizes in specimen.sizes():
            runs: dict[str, Runs] = {kind: [] for kind in KINDS}
            for way in specimen.ways():
                for kind, found in specimen.recorded(way, sizes):
                    runs[kind].append(found)
            for kind in (kind for kind in KINDS if kind not in self._ways):
                why = self._try(kind, runs[kind])
                if why is None:
                    self.plain.pop(kind, None)
                    self.sizes[kind] = sizes
                else:
                    self.plain.setdefault(kind, why)
            if not self.plain:
                break

    def _try(self, kind: str, runs: Runs) -> str | None:
        """Write the ways through a method; return why they cannot be written from these runs."""
        assert self.specimen is not None
        parameters = self.specimen.parameters[kind]
        given = [f"{p.name}={p.name}" if p.kind is p.KEYWORD_ONLY else p.name for p in parameters]
        leaves, names = f"self.__plain_{kind}({', '.join(given)})", [p.name for p in parameters]
        try:
            self.file.method(self.name, kind)
            found = [branch(each, self.module, names, leaves) for each in runs]
            _refuse_idle(found, runs)
        except UnsupportedError as error:
            return str(error).replace(str(self.module.__file__), self.file.path.name)
        if not found:
            return self.specimen.too_long.get(kind, "it raised an error when it was run")
        self._ways[kind] = found
        return None

    def branches(self, kind: str) -> list[Branch]:
        """The ways through one method, each once."""
        found = [of_any_axes(one) if self.any_axes else one for one in dict.fromkeys(self._ways[kind])]
        return [of_lengths_above_one(one) if self.above_one else one for one in found]


def _refuse_idle(branches: Sequence[Branch], runs: Sequence[Sequence[SampleRun]]) -> None:
    """Raise UnsupportedError where a text would be no better than the user's."""
    if branches and not any(one.kernels or any(_IN_PLACE.match(line) for line in one.lines) for one in branches):
        raise UnsupportedError("NumPy does it in as few passes over memory")
    for one, found in zip(branches, runs, strict=True):
        lines = {(code, line) for code in found[0].capture.codes for *_, line in code.co_lines()}
        if len(one.lines) > (_LONGER if one.kernels else 1) * len(lines) + _LONG:
            raise UnsupportedError("its loops would have to be written out")
