"""Images and labels drawn at random: as many as the program's files can ask for, and by the names that they ask for.

A layer does not care what its numbers mean: with data of the right kind and shape a program runs as it would with the
real ones. A set of 60,000 images has 60,000 of them only where a file names such a number, as in
`x.reshape(60000, 784)`.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import operator
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dout.trace.model.user_source import is_user_code
from dout.trace.program.notebooks import source_of
from dout.trace.program.stub_modules import NeedsError

_FEWEST = 1024  # rows, where no file of the program names a larger number
_ROUND = 1000  # else so many, or a multiple: programs cut them into parts and batches
IMAGES = {  # shape of one, how many for training, classes
    "mnist": ((28, 28), 60_000, 10),
    "fashion_mnist": ((28, 28), 60_000, 10),
    "cifar10": ((32, 32, 3), 50_000, 10),
    "cifar100": ((32, 32, 3), 50_000, 100),
}
_PARTS = re.compile(r"train(ing)?|test(ing)?|val(id(ation)?)?|dev|mnist|cifar|set|list|orig|all|[^a-z]")
_INPUTS = frozenset(
    ["x", "xs", "data", "image", "images", "img", "imgs", "input", "inputs", "feature", "features", "pixels"]
)
_LABELS = frozenset(["y", "ys", "t", "label", "labels", "lbl", "target", "targets", "class", "classes"])
OF_TESTS = re.compile(r"test|val|dev")
_OF_A_PART = re.compile(rf"train|tr\b|batch|{OF_TESTS.pattern}")
KEYS = re.compile(r"""\[\s*b?["'](\w+)["']\s*\]""")


def _rows(most: int) -> int:
    """How many rows of a part of a set are made: some more than the program's files name.

    Where they name a number of at least half of its rows, it is whole: others may be for a part of their own.
    """
    largest = max((number for text in _users_texts() for number in _numbers_in(text) if number <= most), default=0)
    more = -(-(largest + _FEWEST) // _ROUND) * _ROUND if largest else _FEWEST  # some are left after `x[:10000]`
    return most if 2 * largest >= most else min(most, more)


def _users_texts(files: Iterable[str] = ()) -> Iterator[str]:
    """The texts of the user's files that have been imported, or of some of them."""
    theirs = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] != "dout"]
    every = {str(getattr(module, "__file__", "") or "") for module in theirs}  # ready-made layers name sets, too
    for file in files or every:
        if file.endswith((".py", ".ipynb")) and is_user_code(file):
            with contextlib.suppress(ValueError, OSError, SyntaxError):
                yield source_of(Path(file))


@lru_cache(maxsize=256)
def _numbers_in(text: str) -> frozenset[int]:
    """The whole numbers that a program's text names, also in `x.reshape(60, 1000, 784)`; each set asks for them."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return frozenset()
    found = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is int}
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func).endswith("reshape")):
        sizes = [n.value for n in ast.walk(call) if isinstance(n, ast.Constant) and type(n.value) is int]
        found.update(itertools.accumulate(sizes, operator.mul))
    return frozenset(found)


def mentions(*words: str) -> bool:
    """Whether a file of the program has one of these words."""
    return any(re.search(rf"\b({'|'.join(words)})\b", text) for text in _users_texts())


def meant(patterns: Mapping[str, str], reader: str) -> str:
    """Which of some patterns the program has in its own file, else in the text that reads, else anywhere; "" for none.

    A library may have code for another set.
    """
    found = [
        name for text in (_main_text(), reader) for name, one in patterns.items() if re.search(rf"\b({one})\b", text)
    ]
    return next(iter(found), "") or next((name for name, one in patterns.items() if mentions(one)), "")


def _main_text() -> str:
    """The text of the program's own file."""
    return "\n".join(_users_texts([str(getattr(sys.modules.get("__main__"), "__file__", ""))]))


def images(kind: str, part: int = 0, rows: int = 0) -> tuple[Any, Any]:
    """Images and labels of the training part (0) or the test part (1): as many as can be asked for, or so many rows."""
    shape, most, classes = IMAGES[kind]
    draw = np.random.default_rng(part)
    rows = rows or _rows(10_000 if part else most)
    return draw.integers(0, 256, (rows, *shape), dtype=np.uint8), draw.integers(0, classes, rows).astype(np.uint8)


def as_rows(pixels: Any) -> Any:
    """Images as rows of numbers from 0 to 1."""
    return pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255)


def is_named(name: Any) -> bool:
    """Whether a name says that it is of images or labels."""
    return _word(name) in _INPUTS | _LABELS


def is_label(name: Any) -> bool:
    """Whether a name says that it is of labels."""
    return _word(name) in _LABELS


def _text(name: Any) -> str:
    return (name.decode() if isinstance(name, bytes) else str(name)).lower()


def _word(name: Any) -> str:
    """What a name says without its part and its set: "labels" of `train_labels`."""
    return _PARTS.sub("", _text(name))


def named(name: Any, rows: int = 0, *, as_bytes: bool = False) -> Any:
    """Images or labels, as a name says: those of MNIST, or of CIFAR-10 where the program speaks of it; else None.

    >>> named("train_labels").shape == named("x_train").shape[:1], named("weights")
    (True, None)
    """
    if not is_named(name):
        return None
    kind = meant({"cifar10": r"(?i:\w*cifar\w*)", "mnist": r"(?i:\w*mnist\w*)"}, "") or "mnist"
    most = IMAGES[kind][1]
    if not rows and not _OF_A_PART.search(_text(name)) and _rows(most) == most:
        rows = most + 10_000  # the tests may be cut from the whole set
    pixels, labels = images(kind, int(bool(OF_TESTS.search(_text(name)))), rows)
    if is_label(name):
        return labels
    as_they_are = as_bytes or mentions(r"\w+, *\w+, *\w+ *= *\w+\.shape")  # three sizes are asked for
    is_flat = re.search(r"\b(784|3072)\b", _main_text()) or (mentions("784", "3072") and not as_they_are)
    return as_rows(pixels) if is_flat and not as_bytes else pixels


class Asked(Mapping[Any, Any]):
    """What a file of data holds: under each key that is asked for, the data that the key names.

    A part of it ("train") has keys of its own. Its keys are those that the program names.
    """

    def __init__(self, file: Any = "", part: str = "") -> None:
        self.file, self.part = str(file), part
        self.put: dict[Any, Any] = {}  # by the program

    def __setitem__(self, key: Any, item: Any) -> None:
        self.put[key.decode() if isinstance(key, bytes) else key] = item

    def __getitem__(self, key: Any) -> Any:
        key = key.decode() if isinstance(key, bytes) else key
        if key in self.put:
            return self.put[key]
        if key not in self:
            raise NeedsError(f"needs {key!r} of {self.file or 'a file'}, which is not there; its data cannot be told")
        found = named(f"{self.part} {key}")
        return type(self)(self.file, key) if found is None else found

    def __contains__(self, key: object) -> bool:
        return key in self.put or (isinstance(key, str | bytes) and (is_named(key) or not _word(key)))

    def get(self, key: Any, default: Any = None) -> Any:
        """The data of a key, where it names some."""
        is_known = key in self
        return self[key] if is_known else default

    def __iter__(self) -> Iterator[Any]:
        return iter(dict.fromkeys(key for text in _users_texts() for key in KEYS.findall(text) if key in self))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""

    close = __exit__


class DataRows(Asked):
    """A set of images that is gone through row by row, and whose columns have keys."""

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, int | slice | np.integer):
            return super().__getitem__(key)
        columns = ((name, column[key]) for name, column in self._columns.items())
        return {name: part.item() if part.ndim == 0 else part for name, part in columns}

    @cached_property
    def _columns(self) -> dict[str, Any]:
        """The columns, made once: a row that the program keeps is a view of them."""
        return {name: self[name] for name in ("image", "img", "label")}

    def __len__(self) -> int:
        return len(self["label"])

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self)))
