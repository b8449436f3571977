"""The times of `dout bench` as a chart: bars in the terminal, and a small SVG for light and dark screens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dout.colours import PALETTES, SANS, family
from dout.draw.writers.svg import safe
from dout.engine.compile.plan_text import duration
from dout.errors import visible
from dout.styled_lines import Line, ascii_only

if TYPE_CHECKING:
    from dout.engine.bench.bench import Bench, BenchSize, Part
    from dout.engine.bench.layer_times import LayerTime

_SHARED = "in kernels of several layers"
_WIDTH = 24  # characters of the longest bar
_EIGHTHS = " ▏▎▍▌▋▊▉"
_ASCII = str.maketrans({"█": "#", "µ": "u", **dict.fromkeys(_EIGHTHS[1:], "")})


def lines_of(bench: Bench) -> Iterator[Line]:
    """The table: for each size and call both times, and a bar as long as it is times faster."""
    yield [(visible(bench.name), "title"), (f"  plain NumPy and compiled, {bench.dtype}, medians in turns", "dim")]
    most = max((2.0, *(part.ratio for size in bench.sizes for part in size.parts)))
    for size in bench.sizes:
        yield [("  ", ""), (_shapes(size), ""), (f"  first calls {duration(size.first)}", "dim")]
        if size.differs:
            yield [("    ✗ ", "bad"), (f"{visible(size.differs)}: nothing was timed", "bad")]
        for part in size.parts:
            yield _row(part, most)
    yield from _by_layer(bench.layers)
    reasons = dict.fromkeys((p.name, p.plainly) for size in bench.sizes for p in size.parts if p.plainly)
    for name, why in reasons:
        yield [(f"  {name} runs plainly: {visible(why or '')}", "fair")]
    for note in bench.notes:
        yield [(f"  {visible(note)}", "dim")]


def _row(part: Part, most: float) -> Line:
    style = "good" if part.ratio > 1.05 else "fair" if part.ratio < 0.95 else ""
    times = f"    {part.name:8}  {duration(part.plain):>8} → {duration(part.compiled):>8}  "
    return [(times, ""), (_bar(part.ratio / most), style), (f" {_times(part.ratio)}", style)]


def _by_layer(layers: tuple[LayerTime, ...]) -> Iterator[Line]:
    """Two bars for each layer, plain above compiled, all on one scale; steps of several layers have one."""
    if not layers:
        return
    yield [("  by layer", "title"), ("  forward and backward at the largest size, plain above compiled", "dim")]
    names, longest = [visible(_called(one)) for one in layers], _longest(layers)
    wide = min(40, max(map(len, names)))
    for one, name in zip(layers, names, strict=True):
        left = f"    {name:{wide}}  "
        for seconds, style in ((one.plain, ""), (one.compiled, "good")):
            if seconds is not None:
                told = [(f"{duration(seconds):>8}  ", ""), (_bar(seconds / longest), style)]
                yield [(left, ""), *(told if seconds else [(_SHARED, "dim")])]
                left = " " * len(left)
    if any(one.shares for one in layers):
        yield [("    a kernel may do the work of several layers: it has a line of its own", "dim")]


def _called(one: LayerTime) -> str:
    more = len(one.layers) - 3
    return " + ".join(one.layers) if more <= 0 else f"{' + '.join(one.layers[:3])} + {more} more"


def _longest(layers: tuple[LayerTime, ...]) -> float:
    return max(seconds for one in layers for seconds in (one.plain, one.compiled) if seconds is not None) or 1.0


def _bar(share: float) -> str:
    """A bar, to an eighth of a character.

    >>> _bar(1), _bar(0.05)
    ('████████████████████████', '█▎')
    """
    eighths = max(1, round(share * _WIDTH * 8))
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def _times(ratio: float) -> str:
    return "1 ×" if ratio == 1 else f"{ratio:.2g} ×" if ratio < 10 else f"{ratio:.0f} ×"


def _shapes(size: BenchSize) -> str:
    return visible(", ".join(f"{name} {shape}" for name, shape in size.shapes.items() if shape) or "numbers")


def in_ascii(lines: Iterable[Line]) -> list[Line]:
    """The same lines for a terminal that knows ASCII alone."""
    return ascii_only([(text.translate(_ASCII).replace("→", "->"), style) for text, style in line] for line in lines)


# --- SVG --------------------------------------------------------------------------------------------------------------

_LEFT, _BAR, _RIGHT, _ROW = 80, 340, 130, 34  # of a call: its name, its two bars, their times; its height
_LAYER = 48  # the height of a layer, whose name may be long, and stands above its bars


def svg(bench: Bench) -> str:
    """Two bars for each call, plain above compiled; the longer one is as long as there is room."""
    title = f"{bench.name}: plain NumPy and compiled, {bench.dtype}"
    parts, y = [f'<text class="t" x="12" y="22">{safe(title)}</text>'], 34
    for size in bench.sizes:
        y += 18
        parts.append(f'<text class="q" x="12" y="{y}">{safe(_shapes(size))}</text>')
        y += 8
        for part in size.parts:
            parts += _bars(part, y)
            y += _ROW
        if size.differs:
            y += 14
            parts.append(f'<text x="12" y="{y}">{safe(size.differs)}</text>')
    if bench.layers:
        y += 18
        parts.append(f'<text class="q" x="12" y="{y}">by layer, forward and backward</text>')
        y += 8
    for one in bench.layers:
        parts += _layer_bars(one, y, _longest(bench.layers))
        y += _LAYER - 14 * (one.plain is None or one.compiled is None)
    width, height = _LEFT + _BAR + _RIGHT, y + 8
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
    head += f'class="dout-chart" role="img" aria-label="{safe(title)}">'
    dark = f"@media (prefers-color-scheme:dark){{{_colours('dark')}}}"
    fonts = f"text{{font:12px {family(SANS)}}}.t{{font-weight:600;font-size:14px}}"
    paper = f'<rect class="paper" width="{width}" height="{height}"/>'
    return "\n".join([head, f"<style>{fonts}{_colours('light')}{dark}</style>", paper, *parts, "</svg>", ""])


def _bars(part: Part, y: int) -> Iterator[str]:
    longest = max(part.plain, part.compiled)
    yield f'<text x="12" y="{y + 18}">{safe(part.name)}</text>'
    both = (
        (part.plain, "p", duration(part.plain)),
        (part.compiled, "c", f"{duration(part.compiled)}, {_times(part.ratio)}"),
    )
    for place, (seconds, style, label) in enumerate(both):
        top, width = y + 14 * place, max(1.0, _BAR * seconds / longest)
        yield f'<rect class="{style}" x="{_LEFT}" y="{top}" width="{width:.1f}" height="12"/>'
        yield f'<text class="{style}t" x="{_LEFT + width + 6:.1f}" y="{top + 10}">{safe(label)}</text>'


def _layer_bars(one: LayerTime, y: int, longest: float) -> Iterator[str]:
    yield f'<text x="12" y="{y + 10}">{safe(_called(one))}</text>'
    both = [(seconds, style) for seconds, style in ((one.plain, "p"), (one.compiled, "c")) if seconds is not None]
    for place, (seconds, style) in enumerate(both):
        top, width = y + 15 + 14 * place, _BAR * seconds / longest
        label = duration(seconds) if seconds else _SHARED
        yield (
            f'<rect class="{style}" x="{_LEFT}" y="{top}" width="{max(1.0, width):.1f}" height="12"/>'
            if seconds
            else ""
        )
        yield f'<text class="{style}t" x="{_LEFT + width + 6:.1f}" y="{top + 10}">{safe(label)}</text>'


def _colours(theme: str) -> str:
    palette = PALETTES[theme]
    fills = {".paper": "paper", "text": "ink", "text.q,text.pt,.p": "quiet", ".c,text.ct": "value"}
    return "".join(f"{selector}{{fill:{palette[colour]}}}" for selector, colour in fills.items())
