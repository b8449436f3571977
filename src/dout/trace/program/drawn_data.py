"""Images and labels drawn at random: as many as the program's files can ask for, and by the names that they ask for.

A layer does not care what its numbers mean: with data of the right kind and shape a program runs as it would with the
real ones. A set of 60,000 images has 60,000 of them only where a file names such a number, as in
`x.reshape(60000, 784)`.
"""

from __future__ import annotations

import ast
import contextlib
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dout.trace.model.user_source import is_user_code
from dout.trace.program.notebooks import source_of

_FEWEST = 1024  # rows, where no file of the program names a larger number
IMAGES = {  # shape of one, how many for training, classes
    "mnist": ((28, 28), 60_000, 10),
    "fashion_mnist": ((28, 28), 60_000, 10),
    "cifar10": ((32, 32, 3), 50_000, 10),
    "cifar100": ((32, 32, 3), 50_000, 100),
}
_PARTS = re.compile(r"train(ing)?|test(ing)?|val(id(ation)?)?|dev|mnist|cifar|set|orig|all|[^a-z]")
_INPUTS = frozenset(
    ["x", "xs", "data", "image", "images", "img", "imgs", "input", "inputs", "feature", "features", "pixels"]
)
_LABELS = frozenset(["y", "ys", "t", "label", "labels", "lbl", "target", "targets", "class", "classes"])
OF_TESTS = re.compile(r"test|val|dev")


def _rows(most: int) -> int:
    """How many rows of a part of a set are made: as many as the program's files can ask for.

    Where they name a number of at least half of its rows, it is whole: others may be for a part of their own.
    """
    largest = max((number for text in _users_texts() for number in _numbers_in(text) if number <= most), default=0)
    return most if 2 * largest >= most else max(_FEWEST, largest)


def _users_texts() -> Iterator[str]:
    """The texts of the user's files that have been imported."""
    files = {str(getattr(module, "__file__", "") or "") for module in list(sys.modules.values())}
    for file in files:
        if file.endswith((".py", ".ipynb")) and is_user_code(file):
            with contextlib.suppress(ValueError, OSError, SyntaxError):
                yield source_of(Path(file))


@lru_cache(maxsize=256)
def _numbers_in(text: str) -> frozenset[int]:
    """The whole numbers that a program's text names; each part of each set asks for them."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return frozenset()
    return frozenset(n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is int)


def mentions(*words: str) -> bool:
    """Whether a file of the program has one of these words."""
    return any(re.search(rf"\b({'|'.join(words)})\b", text) for text in _users_texts())


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


def _text(name: Any) -> str:
    return (name.decode() if isinstance(name, bytes) else str(name)).lower()


def _word(name: Any) -> str:
    """What a name says without its part and its set: "labels" of `train_labels`."""
    return _PARTS.sub("", _text(name))


def named(name: Any, rows: int = 0) -> Any:
    """Images or labels, as a name says: those of MNIST, or of CIFAR-10 where the program speaks of it; else None.

    >>> named("train_labels").shape == named("x_train").shape[:1], named("weights")
    (True, None)
    """
    if not is_named(name):
        return None
    kind = "cifar10" if mentions(r"(?i:cifar\w*)") else "mnist"
    pixels, labels = images(kind, int(bool(OF_TESTS.search(_text(name)))), rows)
    if _word(name) in _LABELS:
        return labels
    return as_rows(pixels) if mentions("784", "3072") else pixels


class Asked(dict[Any, Any]):
    """What a file of data holds: under each key that is asked for, the data that the key names.

    A part of it ("train") and a row have keys of their own.
    """

    part = ""

    def __missing__(self, key: Any) -> Any:
        if isinstance(key, int | slice | np.integer):
            row = Asked()
            row.update({k: (a[key].item() if a[key].ndim == 0 else a[key]) for k, a in self._columns()})
            return row
        key = key.decode() if isinstance(key, bytes) else key
        found = named(f"{self.part} {key}") if isinstance(key, str) else None
        if found is None and not (isinstance(key, str) and not _word(key)):
            raise KeyError(key)
        if found is None:
            found = Asked()
            found.part = key
        self[key] = found
        return found

    def _columns(self) -> Iterator[tuple[str, Any]]:
        return ((key, self[key]) for key in ("image", "img", "label"))

    def __len__(self) -> int:
        return len(self["label"])

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""

    close = __exit__
