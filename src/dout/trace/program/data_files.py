"""Files of well-known data sets that are not there: their content, with numbers and words drawn at random."""

from __future__ import annotations

import gzip
import io
import pickle
import re
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.trace.program import pictures
from dout.trace.program.data_sets import as_rows, images, mentions

_IDX = re.compile(r"(?P<part>train|t10k)-(?P<kind>images|labels)[.-]idx[13]-ubyte(?P<packed>\.gz)?$")
_CIFAR = re.compile(r"(data_batch_\d|test_batch)$")
_CSV = re.compile(r"^mnist_(?P<part>train|test)\.csv$")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
_HAS_FORM = re.compile(
    r"\.(csv|tsv|data|dat|json\w*|ya?ml|toml|ini|cfg|xml|html?|py|ipynb|svg|tex|sh|env)$", re.IGNORECASE
)
_LINES, _WORDS = 1000, 200
_TOKENS, _NUMBERS = 64, 200_000  # of a file of whole numbers, which are places in an alphabet


def content(name: str, *, as_text: bool | None = False) -> bytes | None:
    """The content of a file of that name; None where it names no file that is known.

    It may be read `as_text`, or, where that is None, as lines of numbers.

    MNIST's four files (http://yann.lecun.com/exdb/mnist) and its usual copies (Theano's pickle, Keras' arrays, a table
    with the label first), CIFAR-10's batches (A. Krizhevsky, 2009), images, and text:
    lines of words, or places of letters. An archive is empty.
    """
    if (found := _IDX.search(name)) is not None:
        data = _idx(images("mnist", part=int(found["part"] == "t10k"))[found["kind"] == "labels"])
        return gzip.compress(data, 0) if found["packed"] else data
    if (found := _CIFAR.search(name)) is not None:
        pixels, labels = images("cifar10", part=1)
        rows = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
        names = [f"{i}.png" for i in range(len(labels))]
        return _old_pickle({"data": rows, "labels": labels.tolist(), "filenames": names})
    if name == "mnist.pkl.gz":
        parts = (images("mnist", part) for part in (0, 1, 1))
        return gzip.compress(pickle.dumps(tuple((as_rows(x), t.astype(np.int64)) for x, t in parts)), 0)
    if (found := _CSV.search(name)) is not None:
        return _table(int(found["part"] == "test"), header=False)
    if name == "mnist.npz":
        file = io.BytesIO()
        train, test = images("mnist"), images("mnist", 1)
        np.savez(file, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
        return file.getvalue()
    if name.endswith("batches.meta"):
        return _old_pickle({"label_names": [f"class {i}" for i in range(10)], "num_cases_per_batch": 10_000})
    if name.lower().endswith(pictures.SUFFIXES):
        return pictures.png(pictures.image_of(name))
    if name.endswith(".bin"):
        return np.random.default_rng(0).integers(0, _TOKENS, _NUMBERS, dtype=np.uint16).tobytes()
    if name.endswith(_ARCHIVES):
        return _empty_archive(name)
    if name.endswith(".csv") and mentions("784", r"28\s*[*,]\s*28"):  # Kaggle's digits, their columns with names
        return _table(int("test" in name), header=mentions("label"))
    if as_text is None:
        return None
    return _text() if name.endswith(".txt") or (as_text and not _HAS_FORM.search(name)) else None


def _empty_archive(name: str) -> bytes:
    """An archive with nothing in it: the files that are missed then are stood for one by one."""
    file = io.BytesIO()
    if name.endswith(".zip"):
        zipfile.ZipFile(file, "w").close()
    else:
        tarfile.open(fileobj=file, mode="w:gz" if name.endswith("gz") else "w").close()
    return file.getvalue()


def _table(part: int, *, header: bool) -> bytes:
    """MNIST as lines of numbers, the label first."""
    pixels, labels = images("mnist", part)
    rows = np.column_stack([labels, pixels.reshape(len(pixels), -1)]).tolist()
    lines = [",".join(map(str, row)) for row in rows]
    if header:
        lines.insert(0, ",".join(["label", *(f"pixel{i}" for i in range(pixels[0].size))]))
    return "\n".join(lines).encode()


def _idx(data: Any) -> bytes:
    """An array of bytes in MNIST's format."""
    sizes = b"".join(size.to_bytes(4, "big") for size in data.shape)
    return b"".join([bytes([0, 0, 8, data.ndim]), sizes, data.tobytes()])


def _old_pickle(parts: Mapping[str, Any]) -> bytes:
    """A dict as Python 2 pickled it: its keys and words are bytes or text, as the reader's `encoding` says."""
    items = b"".join(_old(key) + _old(item) for key, item in parts.items())
    return b"\x80\x02}(" + items + b"u."


def _old(item: Any) -> bytes:
    """An item as Python 2 pickled it, without what stands before and after a whole pickle."""
    if isinstance(item, str):
        return b"U" + bytes([len(item)]) + item.encode()
    if isinstance(item, list) and all(isinstance(part, str) for part in item):
        return b"](" + b"".join(map(_old, item)) + b"e"
    return pickle.dumps(item, 2)[2:-1]


def _text() -> bytes:
    draw = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(draw.choice(letters, size)) for size in draw.integers(2, 8, _WORDS)]
    lines = (" ".join(draw.choice(words, size)) for size in draw.integers(5, 15, _LINES))
    return "".join(f"{line} \n" for line in lines).encode()
