"""Every way dout says no: one exception type a cause, all under `DoutError`.

A message says what is wrong, where (file and line of the user's code), and what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


class DoutError(Exception):
    """The common root: `except dout.DoutError` catches everything dout raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback: the lines of cells that led here, and the message."""
        import traceback

        frames = [f for e in (self, self.__cause__) if e for f in traceback.extract_tb(e.__traceback__)]
        cells = dict.fromkeys((f.lineno, f.line) for f in frames if f.line and is_cell(f.filename))
        return [*(f"line {number} of a cell: {line}" for number, line in cells), f"{type(self).__name__}: {self}"]


class TargetError(DoutError):
    """The thing to run cannot be found, read, built or called."""


class UnknownLossError(TargetError):
    """Backward takes the target, and no code computes its loss.

    `round` makes a layer on which both run, and has its inputs; None where none was found.
    """

    def __init__(self, message: str, round_: tuple[Callable[[], Any], tuple[Any, ...]] | None = None) -> None:
        super().__init__(message)
        self.round = round_


class NotTakenError(TargetError):
    """Arguments are missing, or no small input that was tried was taken; `short` says it without the remedy."""

    def __init__(self, message: str, short: str) -> None:
        super().__init__(message)
        self.short = short


class UnsupportedError(DoutError):
    """A NumPy call that is not in the table of primitives, or one of its options, met a traced value."""


class EscapeError(DoutError, TypeError):
    """A traced value was about to leave the trace as a plain number, and its gradient would be lost."""


class DocumentError(DoutError, ValueError):
    """A trace document cannot be read: not JSON, another version, or a part is missing."""


class ShapeError(DoutError, ValueError):
    """A shape depends on values, and only shapes are known (inside a derived gradient)."""


class UserCodeError(DoutError):
    """The user's own code raised: `traceback` is their traceback, without our frames."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


class TrainingError(DoutError):
    """A net cannot be trained on these data: the message says which layer or batch, and what is wrong with it."""


class WrongLayersError(TrainingError):
    """Layers whose backward is wrong were to be trained."""


class CheckpointError(DoutError):
    """A checkpoint cannot be used: it is cut off, of another net or version, or none of dout's."""


class LimitError(DoutError):
    """The user's code ran for too long or printed too much, and was stopped."""


class SheetError(DoutError):
    """An exercise cannot be made of a class, or a file is no exercise any more."""


class EndOfRun(BaseException):
    """Ends the user's code; not an Exception, so that a script's `except Exception` does not keep it alive.

    Who catches it calls `arrived`: the user's code has ended, and need not be ended by other means.
    """

    begun = False  # whether the code that runs has been told to end: what it does from then on is no part of it

    def __init__(self, message: str = "", arrived: Callable[[], object] = lambda: None) -> None:
        super().__init__(message)
        self.arrived = arrived
        EndOfRun.begun = True


class MissingFontWarning(UserWarning):
    """A picture was written with plainer characters, because no font of this machine has all of its text."""


class DifferenceWarning(RuntimeWarning):
    """The first call of a compiled program differed from the plain run: from now on the function runs plainly."""


EXTRAS = {  # modules that not every install has: the package, and dout's extra
    "flint": ("python-flint", "check"),
    "resvg_py": ("resvg-py", "draw"),
    "reportlab": ("reportlab", "draw"),
    "pptx": ("python-pptx", "draw"),
    "fontTools": ("fonttools", "draw"),
    "bidi": ("python-bidi", "draw"),
    "arabic_reshaper": ("arabic-reshaper", "draw"),
    "numba": ("numba", "fast"),
    "sympy": ("sympy", "explain"),
    "pygls": ("pygls", "lsp"),
    "onnx": ("onnx", "onnx"),
    "onnx_ir": ("onnx-ir", "onnx"),
    "safetensors": ("safetensors", "train"),
    "tensorboardX": ("tensorboardX", "train"),
    "sklearn": ("scikit-learn", "sklearn"),
    "distributed": ("distributed", "dask"),
}


def needs(what: str, module: str) -> str:
    """The message that names a missing package.

    >>> needs("dout check", "flint")
    "dout check needs python-flint: pip install 'dout[check]'"
    """
    package, extra = EXTRAS[module]
    return f"{what} needs {package}: pip install 'dout[{extra}]'"


def is_cell(file: str) -> bool:
    """Whether a name stands for a cell of a notebook: the kernel gave its text, and no file or archive has it."""
    import linecache

    size_and_time = linecache.cache.get(file, ())[:2]
    given = len(size_and_time) > 1 and size_and_time[1] is None
    return given and file.endswith(".py") and not any(path.is_file() for path in (Path(file), *Path(file).parents))


def visible(text: str, keep: str = "") -> str:
    r"""Text of the user's that is safe to show: control characters, but those in `keep`, are shown and not obeyed.

    >>> print(visible("Layer\x1b[31m\n"))
    Layer\x1b[31m\n
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or c.isprintable() else c.encode("unicode_escape").decode() for c in text)
