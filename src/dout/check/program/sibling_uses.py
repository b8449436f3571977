"""Layers that a program could use in place of one that it uses: built with the same, and given the same."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from dout.adapt.argument_names import is_named, taken_by
from dout.adapt.target import Target
from dout.check.program.layer_use import LayerUse
from dout.run import is_class, names_of
from dout.trace.model.user_source import TAUGHT
from dout.trace.session.user_modules import user_modules

_LEAST = 2  # arguments of a constructor: fewer are alike by chance


def uses_by_layer(uses: Mapping[type, Sequence[LayerUse]], wanted: Collection[str] | None) -> dict[str, list[LayerUse]]:
    """The uses of each layer, by `file:name`, siblings included: of the files and layers that are wanted, or all.

    A function may have made several classes of one name.
    """
    every: dict[str, list[LayerUse]] = {}
    for use in _with_siblings(uses):
        every.setdefault(f"{os.path.realpath(use.file)}:{use.name}", []).append(use)
    return {key: found for key, found in every.items() if wanted is None or {key, key.rpartition(":")[0]} & {*wanted}}


def _with_siblings(uses: Mapping[type, Sequence[LayerUse]]) -> Iterator[LayerUse]:
    """All uses, and those that classes of loaded modules would have which the program does not use.

    `SkipGram(vocab_size, hidden_size, window_size, corpus)` takes what `CBOW` takes: people try one, then the other.
    """
    every = list(itertools.chain.from_iterable(uses.values()))
    yield from every
    known: dict[tuple[tuple[str, ...], ...], LayerUse] = {}
    for use in (use for use in every if use.init and is_class(use.target)):
        built, given = _names(use.target)
        if len(built) >= _LEAST:
            known.setdefault((built, given), use)
    for module in user_modules() if known else ():
        if module.__name__.startswith(TAUGHT):
            continue  # nobody's own: that the ready-made Affine takes the same says nothing of the program
        for cls in list(names_of(module).values()):
            if not is_class(cls) or cls in uses or cls.__module__ != module.__name__ or not Target(cls).has_both:
                continue
            if (alike := known.get(_names(cls))) is not None:
                back = replace(alike.back, turn=-1)
                yield replace(alike, target=cls, layer=None, back=back, instead_of=alike.name)


def _names(cls: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the constructor's and forward's arguments are called that have no default."""
    target = Target(cls)
    each = ([p for p in taken_by(taken) if is_named(p)] for taken in (cls, target.forward))
    built, given = (tuple(p.name for p in ps if p.default is p.empty and p.name != "self") for ps in each)
    return built, given
