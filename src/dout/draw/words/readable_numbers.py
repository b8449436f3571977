"""Numbers and arrays as a person reads them: short, right to the last digit shown, loud where something is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from dout.draw.words.averages import mean_text, norm_text
from dout.draw.words.histograms import bars
from dout.draw.words.safe_text import clean, shorten
from dout.graph import NUMPY_VALUES, PYTHON_NUMBERS, dtype_name
from dout.number_text import DIGITS, format_number
from dout.trace.model.recorded import Value

BINS = 8
_FULL_LIMIT = 2000
_FULL_CELLS = 200
NOT_KEPT = "the numbers are not in the saved trace"


@dataclass(frozen=True)
class Shown:
    """A value made ready for the eye.

    `number`: one cell. `cells`: a small array, whole, with `faint` telling which cells are zero or False. `summary`: a
    larger one, as shape and dtype (`head`), mean and range (`line`) and a histogram (`bars`, each 0 … 1). `loud` counts
    NaN and infinities. `full` has every digit. `mask`: it holds only True and False. `off` tells which cells a switch
    (a mask, a maximum …) does not let through, `note` how many elements of a larger array.
    """

    kind: Literal["number", "cells", "summary"]
    cells: tuple[tuple[str, ...], ...]
    full: str
    faint: tuple[tuple[bool, ...], ...] = ()
    head: str = ""
    line: str = ""
    bars: tuple[float, ...] = ()
    loud: str = ""
    mask: bool = False
    off: tuple[tuple[bool, ...], ...] = ()
    note: str = ""

    def switched(self, off: np.ndarray) -> Shown:
        """The same, with the elements marked that are switched off."""
        if self.kind == "summary":
            return replace(self, note=f"{np.count_nonzero(off)} of {off.size} off")
        rows = off[None] if off.ndim == 1 else off
        return replace(self, off=tuple(tuple(map(bool, row)) for row in rows)) if self.kind == "cells" else self

    @property
    def text(self) -> str:
        """The value in one line."""
        if self.kind == "number":
            return self.cells[0][0]
        if self.kind == "cells":
            rows = [" ".join(row) for row in self.cells]
            return f"[{rows[0]}]" if len(rows) == 1 else "[" + "; ".join(rows) + "]"
        return " ".join(part for part in (self.head, self.line, self.note, self.loud) if part)


def show(data: Any, digits: int = DIGITS, *, gradient: bool = False) -> Shown:
    """Return a value, or (then its norm takes the place of the mean) a gradient, ready for the eye.

    None stands for numbers that a saved trace only summarises.
    """
    if data is None:
        return Shown("number", (("…",),), NOT_KEPT)
    full = full_of(data)
    numeric = data.dtype.kind in "biufc" if isinstance(data, NUMPY_VALUES) else isinstance(data, PYTHON_NUMBERS)
    if not numeric and (not isinstance(data, NUMPY_VALUES) or data.ndim == 0):
        return Shown("number", ((shorten(full, 18),),), full)
    if np.ndim(data) == 0:
        return _number(data[()] if isinstance(data, np.ndarray) else data, digits, full)
    array = np.asarray(data)
    if array.size and (array.shape[0] <= 4 if array.ndim == 1 else array.ndim == 2 and _small(array)):
        rows = array[None] if array.ndim == 1 else array
        if not numeric:
            return Shown("cells", tuple(tuple(shorten(full_of(x), 10) for x in row) for row in rows), full)
        cells = tuple(tuple(format_number(x, digits) for x in row) for row in rows)
        faint = tuple(tuple(bool(x == 0) for x in row) for row in rows)
        return Shown("cells", cells, full, faint, loud=_loud(array), mask=array.dtype.kind == "b")
    if not numeric:
        return Shown("summary", (), full, head=head_of(array))
    return _summary(array, digits, full, gradient)


def show_value(value: Value, digits: int) -> Shown:
    """Return a value of a trace ready for the eye; of one that a saved trace only summarises, its shape and dtype."""
    if value.data is None and value.shape:
        return Shown("summary", (), NOT_KEPT, head=head_of(value))
    return show(value.data, digits)


def _small(array: np.ndarray) -> bool:
    return bool(array.shape[0] <= 3 and array.shape[1] <= 4)


def _number(number: Any, digits: int, full: str) -> Shown:
    text = format_number(number, digits)
    return Shown("number", ((text,),), full, loud=text if text in ("NaN", "∞", "−∞") else "")


def _summary(array: np.ndarray, digits: int, full: str, gradient: bool) -> Shown:
    head = head_of(array)
    if array.size == 0 or array.dtype.kind == "c":
        return Shown("summary", (), full, head=head, line="empty" if array.size == 0 else "", loud=_loud(array))
    if array.dtype.kind == "b":
        line = f"{np.count_nonzero(array)} of {array.size} True"
        return Shown("summary", (), full, head=head, line=line, mask=True)
    is_finite = np.isfinite(array)
    finite = array.reshape(-1) if is_finite.all() else array[is_finite]
    if not finite.size:
        return Shown("summary", (), full, head=head, loud=_loud(array))

    def say(number: Any) -> str:
        return format_number(number, digits)

    low, high = finite.min(), finite.max()
    spread = bars(finite, low, high, BINS) if low < high else ()
    middle = f"‖·‖ {norm_text(finite, say)}" if gradient else f"μ {mean_text(finite, say)}"
    line = f"{middle} [{say(low[()])}, {say(high[()])}]"
    return Shown("summary", (), full, head=head, line=line, bars=spread, loud=_loud(array))


def head_of(array: Any) -> str:
    """Return shape and dtype: "(2, 3) f32"."""
    dtype = array.dtype
    short = f"{dtype.kind}{dtype.itemsize * 8}" if dtype.kind in "iufc" else dtype_name(dtype)
    return f"{tuple(array.shape)} {shorten(short, 12)}"


def _loud(array: np.ndarray) -> str:
    if array.dtype.kind not in "fc" or np.isfinite(array).all():
        return ""
    counted = {"NaN": np.isnan(array)}
    if array.dtype.kind == "f":
        counted |= {"∞": np.isposinf(array), "−∞": np.isneginf(array)}
    else:
        counted |= {"∞": np.isinf(array)}
    return ", ".join(f"{n} {name}" for name, where in counted.items() if (n := int(np.count_nonzero(where))))


def full_of(data: Any) -> str:
    """Return a value with every digit; of a large array the first and last elements."""
    if data is None:
        return NOT_KEPT
    if isinstance(data, np.ndarray) and data.ndim == 0:
        data = data[()]
    try:
        if isinstance(data, np.generic) and data.dtype.kind in "biufcMm":
            text = str(data)  # 1.5, not np.float64(1.5)
        elif isinstance(data, np.ndarray):
            with np.printoptions(floatmode="unique", precision=17, threshold=_FULL_CELLS):
                text = repr(data)
        else:
            text = repr(data.item() if isinstance(data, np.generic) else data)
    except Exception:  # an int past Python's digit limit, or a foreign repr that raises: the picture still stands
        text = format_number(data) if isinstance(data, int) else f"<{type(data).__name__}>"
    return "\n".join(clean(line) for line in text[:_FULL_LIMIT].split("\n"))
