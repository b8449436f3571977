"""Rounds of a training → a display list: the curve of the loss, and of each layer how its numbers are spread.

A column is a round, a row a layer: its outputs above, in blue, and the gradients that arrive at them below, in orange.
All rounds of a row share one range, so that one sees numbers shrink, grow and move.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

from dout.draw.paint.display_list import Circle, Drawing, Rect, Shape, Text, line, meet
from dout.draw.view_options import Look
from dout.draw.words.histograms import histograms
from dout.draw.words.safe_text import shorten
from dout.number_text import format_number
from dout.trace.record.training import LayerRound, TrainingRound

MOST_LAYERS = 40
_PAD, _NAMES, _ROUND, _ROW = 20.0, 210.0, 150.0, 96.0
_BAR, _TALL, _BETWEEN = 9.0, 30.0, 4.0  # a bar's width and height; between outputs and gradients
_CURVE = 110.0
_NAME = 28


@dataclass(frozen=True, eq=False)
class TrainingChart:
    """The rounds of a training and those that are `wanted` of them. `drawing` puts these side by side."""

    title: str
    rounds: Sequence[TrainingRound]
    wanted: Sequence[int]
    look: Look = Look()

    @cached_property
    def drawing(self) -> Drawing:
        """All of the rounds side by side."""
        return self._drawn(self.shown, range(len(self.shown)))

    @cached_property
    def frames(self) -> tuple[Drawing, ...]:
        """One round each, all in the same place."""
        return tuple(self._drawn([each], [i]) for i, each in enumerate(self.shown))

    @cached_property
    def shown(self) -> list[TrainingRound]:
        """The rounds that are wanted and there."""
        return [each for each in self.rounds if each.number in self.wanted]

    @cached_property
    def _rows(self) -> list[_Row]:
        names = list(dict.fromkeys(layer.name for each in self.shown for layer in each.layers))
        found = [{layer.name: layer for layer in each.layers} for each in self.shown]
        rows = [_Row(name, [layers.get(name) for layers in found]) for name in names]
        return [row for row in rows if row.has_more_than_a_name]

    def _drawn(self, shown: Sequence[TrainingRound], columns: Sequence[int]) -> Drawing:
        width = 2 * _PAD + _NAMES + _ROUND * max(len(shown), 3)
        shapes: list[Shape] = [Text(_PAD, _PAD + 14, shorten(self.title, 60), "title")]
        y = _PAD + 30
        losses = [(each.number, each.loss) for each in self.rounds if each.loss is not None and isfinite(each.loss)]
        if len(losses) > 1:
            shapes += self._curve(losses, shown, width, y)
            y += _CURVE + 50
        shapes += [
            Text(_PAD + _NAMES + _ROUND * i, y + 12, f"round {each.number:,}", "result") for i, each in enumerate(shown)
        ]
        y += 26
        for row in self._rows[:MOST_LAYERS]:
            shapes += row.names(_PAD, y)
            for place, column in enumerate(columns):
                shapes += row.cell(column, _PAD + _NAMES + _ROUND * place, y)
            y += _ROW
        if left := self._rows[MOST_LAYERS:]:
            shapes.append(Text(_PAD, y, f"! and {len(left)} more layers", "note"))
        numbers = ", ".join(str(each.number) for each in shown)
        return Drawing(width, y + _PAD, tuple(shapes), self.title, f"Rounds {numbers} of a training of {self.title}.")

    def _curve(
        self, losses: Sequence[tuple[int, float]], shown: Sequence[TrainingRound], width: float, top: float
    ) -> Iterator[Shape]:
        """The loss of every round, with a dot at those that are shown."""
        low, high = min(loss for _, loss in losses), max(loss for _, loss in losses)
        left, right, last = _PAD + _NAMES, width - _PAD - 60, len(self.rounds)

        def at(number: int, loss: float) -> tuple[float, float]:
            along, up = (number - 1) / max(last - 1, 1), (loss - low) / ((high - low) or 1)
            return left + along * (right - left), top + (1 - up) * _CURVE

        yield Text(_PAD, top + 12, "loss", "name")
        yield Text(_PAD, top + 28, f"{format_number(losses[0][1], 4)} → {format_number(losses[-1][1], 4)}", "line")
        yield line((left, top + _CURVE + 6), (right, top + _CURVE + 6), style="quiet")
        yield Text(left, top + _CURVE + 22, "round 1", "constant")
        yield Text(right, top + _CURVE + 22, f"{last:,}", "constant", "end")
        points = [at(*each) for each in losses]
        yield line(*(point for i, point in enumerate(points) if _is_seen(points, i)), style="edge")
        told: list[Text] = []
        for each in shown:
            if each.loss is not None and isfinite(each.loss):
                x, y = at(each.number, each.loss)
                text = format_number(each.loss, 4)
                yield Circle(x, y, 4, "bar", f"round {each.number}: {text}")
                label = Text(x + 7, y - 6 if y > top + 12 else y + 4, text, "value")
                if not any(meet(label.box, other.box) for other in told):  # else the pointer tells it
                    told.append(label)
        for label in told:
            left, high, right, low = label.box
            yield Rect(left - 1, high, right - left + 2, low - high, "blank")  # so that no line goes through it
            yield label


def _is_seen(points: Sequence[tuple[float, float]], i: int) -> bool:
    """True of a point that is not in the same half pixel as the one before it."""
    before, here = points[max(i - 1, 0)], points[i]
    return i in (0, len(points) - 1) or [int(2 * n) for n in before] != [int(2 * n) for n in here]


@dataclass(frozen=True, eq=False)
class _Row:
    """A layer in the rounds that are shown."""

    name: str
    rounds: Sequence[LayerRound | None]

    @cached_property
    def _outputs(self) -> tuple[list[tuple[float, ...]], tuple[float, float]]:
        return histograms([each.outputs if each is not None else None for each in self.rounds])

    @cached_property
    def _gradients(self) -> tuple[list[tuple[float, ...]], tuple[float, float]]:
        return histograms([each.gradients if each is not None else None for each in self.rounds])

    @property
    def has_more_than_a_name(self) -> bool:
        """True if there is something to show of it in some round."""
        each = [one for one in self.rounds if one is not None]
        return any((*self._outputs[0], *self._gradients[0])) or any(one.broken or any(_words(one)) for one in each)

    def names(self, x: float, y: float) -> Iterator[Shape]:
        """Its name, and the ranges of its outputs and gradients."""
        yield Text(x, y + 13, shorten(self.name, _NAME), "name")
        for (bars, (low, high)), words, style, down in (
            (self._outputs, "outputs", "line", 30), (self._gradients, "gradients", "gradient-line", 46),
        ):  # fmt: skip
            if any(bars):
                yield Text(x, y + down, f"{words} {format_number(low, 3)} … {format_number(high, 3)}", style)

    def cell(self, column: int, x: float, y: float) -> Iterator[Shape]:
        """One round of it: outputs above, gradients below, and its norms."""
        each = self.rounds[column]
        if each is None:
            return
        for bars, style, top in (
            (self._outputs[0][column], "bar", y), (self._gradients[0][column], "gradient-bar", y + _TALL + _BETWEEN),
        ):  # fmt: skip
            base = top + _TALL
            if bars:
                yield line((x, base), (x + _BAR * len(bars), base), style="quiet")
            for i, share in enumerate(bars):
                tall = max(1.0, share * (_TALL - 2)) if share else 0.0
                if tall:
                    yield Rect(x + i * _BAR, base - tall, _BAR - 1, tall, style)
        yield Text(x, y + 2 * _TALL + _BETWEEN + 14, "  ".join(_words(each)), "caption")
        if each.broken:
            yield Text(x, y + 14, f"{each.broken} is NaN or infinite", "loud")


def _words(each: LayerRound) -> Iterator[str]:
    if each.weight is not None:
        yield f"‖W‖ {format_number(each.weight, 3)}"
    if each.gradient is not None:
        yield f"‖dW‖ {format_number(each.gradient, 3)}"
    if each.dead is not None:
        yield f"{each.dead:.0%} dead"
