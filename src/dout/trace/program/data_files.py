"""Files of well-known data sets that are not there: their content, with numbers and words drawn at random."""

from __future__ import annotations

import contextlib
import gzip
import io
import linecache
import pickle
import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dout.trace.program import pictures
from dout.trace.program.drawn_data import (
    KEYS,
    OF_TESTS,
    Asked,
    as_rows,
    images,
    is_label,
    is_named,
    meant,
    mentions,
    named,
)

_IDX = re.compile(r"(?P<part>\w*)-(?P<kind>images|labels)[.-]idx[13]-ubyte(?P<packed>\.gz)?$")
_CIFAR = re.compile(r"(data_batch_\d|test_batch)(?P<matlab>\.mat)?$")
_COPY = re.compile(r" ?\(\d+\)(?=\.\w+$)")  # as browsers mark a file that was fetched twice
_CSV = re.compile(r"^mnist_(?P<part>train|test)\.csv$")
_PICKLE = re.compile(r"\.(pkl|pickle|p)(\.gz)?$")
_THREE = re.compile(r"(train|tr|va)\w*, *\w*(va|dev|test|te)\w*, *\w+ *= *[^=]*\bload\(")  # Theano's three parts
_SIZE = re.compile(r"[_-]?\d+[kKmM]?(?=\.\w+$)")
_NUMBER, _COLUMN = re.compile(r"\d+"), re.compile(r"""(?:\[|drop\(|columns=|pop\() *\[?["'](\w[\w ]*)["']""")
_OF_FILES = re.compile(r"(?i)file|path")  # columns with names of images
_VECTORS = re.compile(r"\b(\d+)d\b.*\.(txt|vec)$")  # `glove.6B.50d.txt`: words, each with so many numbers
_LABEL_LAST = re.compile(r"\[:, *(:?-1|:?784|:?3072)\]")  # `rows[:, :-1]`, `rows[:, 784]`
_BY_COMMA = re.compile(r"""delimiter *= *["'],""")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
_HAS_FORM = re.compile(
    r"\.(csv|tsv|data|dat|json\w*|ya?ml|toml|ini|cfg|xml|html?|py|ipynb|svg|tex|sh|env)$", re.IGNORECASE
)
_LINES, _WORDS, _CLASSES = 1000, 200, 3
_TOKENS, _NUMBERS = 64, 200_000  # of a file of whole numbers, which are places in an alphabet


def content(
    name: str, folders: Sequence[Path] = (), asker: str = "", *, as_text: bool | None = False, words: Sequence[str] = ()
) -> bytes | None:
    """The content of a file of that name; None where it names no file that is known.

    It may be read `as_text`, or, where that is None, as lines of numbers. In one of `folders` the other files of its
    set may be, which say how many rows it has; the file of the user's that is the `asker` says the keys that it uses.
    A text is made of `words`, where there are some.

    MNIST's four files (http://yann.lecun.com/exdb/mnist) and its usual copies (Theano's pickle, Keras' arrays, a table
    with the label first), CIFAR-10's batches (A. Krizhevsky, 2009), images, and text:
    lines of words, or places of letters. An archive is empty. Arrays are what their name or their key says.
    """
    text, name = "".join(linecache.getlines(asker)), _COPY.sub("", name)
    if (known := _known(name, folders, text)) is not None:
        return known
    if name.isdigit() and mentions("read_csv"):
        name += ".csv"  # what an argument was answered with that the program was not given
    skips = re.search(r"skip(rows|_header) *= *1", text) is not None
    has_header = skips or (mentions("read_csv", "read_excel", "DictReader") and not mentions(r"header\s*=\s*None"))
    if (found := _CSV.search(name)) is not None:
        return _table(int(found["part"] == "test"), header=has_header)
    if name.lower().endswith(pictures.SUFFIXES):
        return pictures.png(pictures.image_of(name))
    if (found := _VECTORS.search(name)) is not None:
        return _vectors(int(found[1]), words)
    if name.endswith(".bin"):
        return np.random.default_rng(0).integers(0, _TOKENS, _NUMBERS, dtype=np.uint16).tobytes()
    if name.endswith(_ARCHIVES):
        return _archive(name, text)
    alike = (path for path in _beside(folders) if _unnumbered(path.name) == _unnumbered(name))
    other = (
        path for path in alike if path.name != name and path.is_file()
    )  # a pointer of Git LFS is no twin of itself
    if (twin := next(other, None)) is not None:
        return twin.read_bytes()  # `dataset_0.csv` for `dataset_2.csv`, `sums.txt` for `sums_50k.txt`
    if is_named(name.partition(".")[0]) and (as_text is None or name.endswith(".csv")):
        return _numbers(name, "," if name.endswith(".csv") or _BY_COMMA.search(text) else " ", header=has_header)
    if (table := _table_file(name, text, has_header)) is not None:
        return table
    if as_text is None:
        return None
    if not as_text and "." not in name and is_named(name):
        return bytes(named(name, as_bytes=True).tobytes())
    if (arrays := _arrays(name, folders, asker)) is not None:
        return arrays
    return _text(words) if name.endswith(".txt") or (as_text and not _HAS_FORM.search(name)) else None


def _known(name: str, folders: Sequence[Path], text: str) -> bytes | None:
    """The files in which MNIST and CIFAR-10 are handed out, but tables; None for any other name."""
    if (found := _IDX.search(name)) is not None:
        pair = images("mnist", int("train" not in found["part"].lower()), _rows_beside(name, folders))
        data = _idx(pair[found["kind"] == "labels"])
        return gzip.compress(data, 0) if found["packed"] else data
    if (found := _CIFAR.search(name)) is not None:
        pixels, labels = images("cifar10", part=1)
        rows = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
        if found["matlab"]:
            return _matlab({"data": rows, "labels": labels[:, None]})
        names = [f"{i}.png" for i in range(len(labels))]
        return _old_pickle({"data": rows, "labels": labels.tolist(), "filenames": names})
    by_keys = any(map(is_named, KEYS.findall(text)))
    is_three = name == "mnist.pkl.gz" or (not by_keys and (name.startswith("mnist.pkl") or _THREE.search(text)))
    if _PICKLE.search(name) and is_three:
        parts = (images("mnist", part) for part in (0, 1, 1))
        data = pickle.dumps(tuple((as_rows(x), t.astype(np.int64)) for x, t in parts))
        return gzip.compress(data, 0) if name.endswith(".gz") else data
    if name == "mnist.npz":
        file = io.BytesIO()
        train, test = images("mnist"), images("mnist", 1)
        np.savez(file, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
        return file.getvalue()
    if name.endswith("batches.meta"):
        return _old_pickle({"label_names": [f"class {i}" for i in range(10)], "num_cases_per_batch": 10_000})
    return None


def _table_file(name: str, text: str, has_header: bool) -> bytes | None:
    """A table with the columns, or the rows of images, that the user's text asks for; None where it is no table."""
    columns = list(dict.fromkeys(_COLUMN.findall(text)))
    if name.endswith((".csv", ".xlsx", ".xls")) and has_header and not all(map(is_label, columns)):
        return _rows(columns, header=True)
    sizes = {"cifar10": r"3072|3\s*[*,]\s*32\s*[*,]\s*32|32\s*[*,]\s*32\s*[*,]\s*3", "mnist": r"784|28\s*[*,]\s*28"}
    if name.endswith(".csv") and (kind := meant(sizes, text)):
        bare = (
            name == "test.csv" and has_header and not mentions(r"test\w*(\.|\W+)(label|iloc|pop|drop)")
        )  # to be guessed
        is_last = _LABEL_LAST.search(text) is not None  # else as Kaggle has them
        return _table(int("test" in name), kind, header=has_header, first=not is_last, labelled=not bare)
    if name.endswith(".arff"):
        return b"@RELATION mnist_784\n@DATA\n" + _table(int("test" in name), header=False, first=False)
    if name.endswith((".csv", ".xlsx", ".xls")):
        return _rows([*"abcd", "target"], header=has_header)
    return None


def _beside(folders: Sequence[Path]) -> Iterator[Path]:
    return (path for folder in folders[:2] if folder.is_dir() for path in sorted(folder.iterdir()))


def _unnumbered(name: str) -> str:
    """The name of a file without its number, or without its size: `sums_50k.txt`."""
    return _NUMBER.sub("", _SIZE.sub("", name))


def _rows(names: Sequence[str], *, header: bool) -> bytes:
    """A table with these columns: three classes in the last one and where a name says labels, else numbers."""
    draw = np.random.default_rng(0)
    columns: list[Any] = [draw.normal(size=2 * _LINES).round(4) for _ in names]
    labels = draw.integers(0, _CLASSES, 2 * _LINES)
    columns = [
        labels if is_label(n) or i == len(names) - 1 else c for i, (n, c) in enumerate(zip(names, columns, strict=True))
    ]
    cells = [
        [f"{i}.png" if _OF_FILES.search(name) else item for i, item in enumerate(each.tolist())]
        for name, each in zip(names, columns, strict=True)
    ]
    lines = [",".join(map(str, row)) for row in zip(*cells, strict=True)]
    return "\n".join([",".join(names)] * header + lines).encode()


def _arrays(name: str, folders: Sequence[Path], asker: str) -> bytes | None:
    """The content of a file of arrays whose name or keys say what they are: .npy, .npz, a pickle."""
    stem, _, suffix = name.rpartition(".")
    file, text = io.BytesIO(), "".join(linecache.getlines(asker))
    asked, is_pickle = KEYS.findall(text), suffix in ("pkl", "pickle", "p") or (not stem and "pickle.load" in text)
    if suffix == "npy" and is_named(stem):
        np.save(file, named(stem, _rows_of_part(stem, folders)))
    elif suffix == "npz" and (keys := {k: named(k) for k in asked if is_named(k)}):
        np.savez(file, **keys)
    elif is_pickle and any(map(is_named, asked)):
        pickle.dump(Asked(name), file)
    return file.getvalue() or None


def _rows_of_part(stem: str, folders: Sequence[Path]) -> int:
    """How many rows another array of the same part has that is there; 0 where none is."""
    tests = bool(OF_TESTS.search(stem.lower()))
    for path in (path for folder in folders for path in sorted(folder.glob("*.npy"))):
        if path.stem != stem and bool(OF_TESTS.search(path.stem.lower())) == tests and is_named(path.stem):
            with contextlib.suppress(OSError, EOFError, ValueError, IndexError):  # a pointer, an object, one number
                return int(np.load(path, mmap_mode="r").shape[0])
    return 0


def _rows_beside(name: str, folders: Sequence[Path]) -> int:
    """How many rows the other file of a part of MNIST has, labels beside images; 0 where it is not there."""
    was, other = ("images", "labels") if "images" in name else ("labels", "images")
    pattern = name.removesuffix(".gz").replace(was, other).replace("idx3" if was == "images" else "idx1", "idx?")
    for path in (path for folder in folders for path in folder.glob(f"{pattern}*")):
        with (
            contextlib.suppress(OSError, EOFError),
            (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file,
        ):
            head = file.read(8)
            if head[:3] == b"\0\0\x08":  # and no pointer of Git LFS
                return int.from_bytes(head[4:], "big")
    return 0


def _archive(name: str, text: str) -> bytes:
    """An archive; one of .zip holds the tables that the text names, and other files are stood for one by one."""
    file = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(file, "w") as archive:
            for part in (one for one in ("train", "test") if re.search(r"mnist_\S*\.csv", text)):
                archive.writestr(f"mnist_{part}.csv", _table(int(part == "test"), header=False))
    else:
        tarfile.open(fileobj=file, mode="w:gz" if name.endswith("gz") else "w").close()
    return file.getvalue()


def _table(part: int, kind: str = "mnist", *, header: bool, first: bool = True, labelled: bool = True) -> bytes:
    """Images as lines of numbers, the label `first`; or last, as openml.org has it; or none."""
    pixels, labels = images(kind, part)
    times = -(-len(pixels) // (2 * _LINES))  # 60,000 rows that all differ take long to write and to read
    pixels, labels = pixels[: 2 * _LINES], labels[: 2 * _LINES]
    columns = [labels, pixels.reshape(len(pixels), -1)][not labelled :]
    lines = [",".join(map(str, row)) for row in np.column_stack(columns if first else columns[::-1]).tolist()] * times
    if header:
        names = [["label"] * labelled, [f"pixel{i}" for i in range(pixels[0].size)]][:: 1 if first else -1]
        lines.insert(0, ",".join([*names[0], *names[1]]))
    return "\n".join(lines).encode()


def _numbers(name: str, delimiter: str, *, header: bool) -> bytes:
    """Images or labels, as their name says, as lines of numbers."""
    data = named(name.partition(".")[0])
    rows = data[: 2 * _LINES].reshape(-1, *([1] if data.ndim == 1 else [data[0].size])).tolist()
    lines = [delimiter.join(map(str, row)) for row in rows] * -(-len(data) // (2 * _LINES))
    return "\n".join([delimiter.join(map(str, range(len(rows[0]))))] * header + lines[: len(data)]).encode()


def _idx(data: Any) -> bytes:
    """An array of bytes in MNIST's format."""
    sizes = b"".join(size.to_bytes(4, "big") for size in data.shape)
    return b"".join([bytes([0, 0, 8, data.ndim]), sizes, data.tobytes()])


def _matlab(parts: Mapping[str, Any]) -> bytes | None:
    """Arrays as MATLAB has them in a file; None where SciPy is not installed, which would read it."""
    try:
        from scipy.io import savemat  # type: ignore[import-untyped]
    except ImportError:
        return None
    savemat(file := io.BytesIO(), dict(parts))
    return file.getvalue()


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


def _vectors(size: int, words: Sequence[str]) -> bytes:
    """Words, each in a line with its vector."""
    drawn = np.random.default_rng(0).normal(size=(_LINES, size)).round(4).tolist()
    made = dict.fromkeys(words or _made_up_words())
    return "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in zip(made, drawn, strict=False)).encode()


def _made_up_words() -> list[str]:
    draw, letters = np.random.default_rng(0), np.array(list("abcdefghijklmnopqrstuvwxyz"))
    return ["".join(draw.choice(letters, size)) for size in draw.integers(2, 8, _WORDS)]


def _text(words: Sequence[str]) -> bytes:
    """Lines of these words, or of made-up ones."""
    draw = np.random.default_rng(0)
    first = " " if words else ""  # as the Penn Treebank has it: what joins lines stands apart
    words = words or _made_up_words()
    lines = (" ".join(draw.choice(words, size)) for size in draw.integers(5, 15, _LINES))
    return "".join(f"{first}{line} \n" for line in lines).encode()
