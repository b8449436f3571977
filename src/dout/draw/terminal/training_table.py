"""The table of `dout show train.py --rounds 1,10,100`: rounds side by side, and in words what goes wrong, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import isfinite

from dout.draw.terminal.terminal import folded
from dout.draw.terminal.terminal_sizes import BARS, TerminalSizes
from dout.draw.words.histograms import histograms
from dout.draw.words.safe_text import columns, shorten
from dout.number_text import format_number
from dout.trace.record.training import LayerRound, TrainingRound

_CURVE = 40  # columns of the curve of the loss
_FAR = 1e5  # times larger or smaller than at the end of the network: a gradient explodes, or vanishes


def training_table(rounds: Sequence[TrainingRound], wanted: Sequence[int], width: int, *, unicode: bool) -> str:
    """The lines of the table: a column for each of the rounds that are `wanted` and there; below, those too many."""
    shown = [each for each in rounds if each.number in wanted]
    if not shown:
        return f"there is no such round: the program has {len(rounds)}\n"
    lines = [["round", *(str(each.number) for each in shown)]]
    if any(each.loss is not None for each in shown):
        lines.append(["loss", *(_text(each.loss) for each in shown)])
    named = [{layer.name: layer for layer in each.layers} for each in shown]
    for layer in {name: one for layers in reversed(named) for name, one in layers.items()}.values():
        of = [layers.get(layer.name) for layers in named]
        rows = [*_spread(of)]
        for words, pick in (("‖weights‖", "weight"), ("‖gradients‖", "gradient"), ("dead units", "dead")):
            found = [getattr(one, pick) if one is not None else None for one in of]
            if any(number is not None for number in found):
                rows.append([f"  {words}", *(_share(n) if pick == "dead" else _text(n) for n in found)])
        lines += [[shorten(layer.name, width)], *rows] if rows else []
    below = [piece for line in _below(rounds, wanted) for piece in folded(line, width)]
    return TerminalSizes(unicode).say("\n".join([*_in_blocks(lines, width), *below, ""]))


def _in_blocks(lines: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """The lines in columns; columns beyond the width stand in blocks of their own below."""
    count = len(lines[0])
    wide = [max(columns(line[i]) for line in lines if len(line) == count) for i in range(count)]
    start = 1
    while start < count:
        end = start + 1
        while end < count and wide[0] + sum(w + 2 for w in wide[start : end + 1]) <= width:
            end += 1
        table = []
        for name, *rest in lines:
            cells = (text.rjust(w) for text, w in zip(rest[start - 1 : end - 1], wide[start:end], strict=True))
            table.append("  ".join([name.ljust(wide[0]), *cells]) if rest else name)
        rule = "─" * columns(table[0])
        yield from ([""] if start > 1 else [])
        yield from (table[0], rule, *table[1:])
        start = end


def _spread(rounds: Sequence[LayerRound | None]) -> Iterator[list[str]]:
    """How the outputs of a layer and their gradients are spread: all rounds of a line over one range."""
    for words, pick in (("outputs", "outputs"), ("∂L/∂out", "gradients")):
        bars, (low, high) = histograms([getattr(each, pick) if each is not None else None for each in rounds])
        if low < high:
            drawn = ["".join(BARS[round(share * (len(BARS) - 1))] if share else " " for share in one) for one in bars]
            yield [f"  {words} {format_number(low, 3)} … {format_number(high, 3)}", *drawn]


def _below(rounds: Sequence[TrainingRound], wanted: Sequence[int]) -> Iterator[str]:
    losses = [each.loss for each in rounds if each.loss is not None and isfinite(each.loss)]
    if len(losses) > 1:
        yield f"loss, round 1 to {len(rounds)}: {curve(losses)}"
    yield from remarks(rounds, wanted)


def remarks(rounds: Sequence[TrainingRound], wanted: Sequence[int]) -> Iterator[str]:
    """Warnings about the run: NaN, vanishing or exploding gradients, rounds that do not exist."""
    missing = sorted({*wanted} - {each.number for each in rounds})
    if missing:
        yield f"! the program has {len(rounds)} rounds: there is no round {', '.join(map(str, missing))}"
    broken = next(((each, layer) for each in rounds if (layer := _first_broken(each)) is not None), None)
    if broken is not None:
        yield f"✗ NaN or infinity begins in round {broken[0].number}: {broken[1].broken} of {broken[1].name}"
    ways: dict[str, Callable[[float], bool]] = {
        "vanishes": lambda part: part < 1 / _FAR,
        "explodes": lambda part: part > _FAR,
    }
    for says, is_far in ways.items():
        far = next(((each, one) for each in rounds if (one := _far(each, is_far)) is not None), None)
        if far is not None:
            each, (start, part) = far
            yield (
                f"✗ the gradient {says} in round {each.number}, from {start.name} towards the input:"
                f" there it is {format_number(part, 2)} times as large as at the end"
            )


def _first_broken(each: TrainingRound) -> LayerRound | None:
    """The first layer with a number that is not finite: in forward, else in backward, which runs from the end."""
    forward = (layer for layer in each.layers if layer.broken == "output")
    backward = (layer for layer in each.layers[::-1] if layer.broken)
    return next(forward, None) or next(backward, None)


def _far(each: TrainingRound, is_far: Callable[[float], bool]) -> tuple[LayerRound, float] | None:
    """The first layer, from the end, at which a number of the gradient has another size; with how many times."""
    sizes = [(layer, layer.arriving) for layer in each.layers[::-1] if layer.arriving is not None and layer.weight]
    if not sizes or not sizes[0][1] or not all(isfinite(size) for _, size in sizes):
        return None
    parts = ((layer, size / sizes[0][1]) for layer, size in sizes)
    return next(((layer, part) for layer, part in parts if is_far(part)), None)


def curve(losses: Sequence[float]) -> str:
    """The losses as bars, the mean of as many rounds as share one."""
    count = min(_CURVE, len(losses))
    ends = [len(losses) * i // count for i in range(count + 1)]
    means = [sum(losses[a:b]) / (b - a) for a, b in pairwise(ends)]
    low, high = min(means), max(means)
    return "".join(BARS[round((mean - low) / ((high - low) or 1) * (len(BARS) - 1))] for mean in means)


def _text(number: float | None) -> str:
    return "" if number is None else format_number(number, 4)


def _share(number: float | None) -> str:
    return "" if number is None else f"{number:.0%}"
