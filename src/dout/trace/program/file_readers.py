"""What stands for libraries that fetch and read files (requests, wget, yaml), where they are not installed."""

from __future__ import annotations

import contextlib
import io
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

_Line = tuple[int, str]  # how deep it stands, and its text


class _Answer:
    """What `requests.get` gives: data that were fetched."""

    status_code, ok = 200, True

    def __init__(self, data: bytes) -> None:
        self.content, self.text, self.raw = data, data.decode(errors="replace"), io.BytesIO(data)
        self.headers = dict.fromkeys(("content-length", "Content-Length"), str(len(data)))

    def iter_content(self, chunk_size: int | None = 1, **options: Any) -> Iterator[bytes]:
        """The data in pieces of so many bytes; without a size in one."""
        size = chunk_size or max(1, len(self.content))
        return (self.content[at : at + size] for at in range(0, len(self.content), size))

    def __iter__(self) -> Iterator[bytes]:
        return self.iter_content(128)

    def iter_lines(self, **options: Any) -> Iterator[bytes]:
        """The data line by line."""
        return iter(self.content.splitlines())

    def json(self, **options: Any) -> Any:
        """The data that a text describes."""
        return json.loads(self.text)

    def raise_for_status(self) -> None:
        """Nothing: it was fetched."""

    close = raise_for_status

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""


def _get(url: str, *args: Any, **options: Any) -> _Answer:
    """`requests.get`: what Python's own `urlopen` fetches, or what stands for it."""
    with urllib.request.urlopen(url) as answer:
        return _Answer(answer.read())


def _download(url: str, out: str | None = None, *args: Any, **options: Any) -> str:
    """`wget.download`: the name of the file that was written."""
    name = out or PurePosixPath(url).name
    urllib.request.urlretrieve(url, name)
    return name


def _idx(file: Any) -> Any:
    """`idx2numpy.convert_from_file`: an array of bytes in the format of MNIST."""
    with contextlib.nullcontext(file) if hasattr(file, "read") else Path(file).open("rb") as stream:
        data = stream.read()
    sizes = np.frombuffer(data, ">u4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + sizes.nbytes).reshape(sizes)


def _load(stream: Any, *args: Any, **options: Any) -> Any:
    """`yaml.safe_load`, of settings: keys, lists, numbers and words, without anchors and texts of several lines."""
    text = stream if isinstance(stream, str) else stream.read()
    lines: list[_Line] = []
    for line in (_COMMENT.sub("", line).rstrip() for line in text.splitlines()):
        indent, rest = len(line) - len(line.lstrip()), line.strip()
        if lines and _is_open(lines[-1][1]):
            lines[-1] = lines[-1][0], f"{lines[-1][1]} {rest}"
            continue
        while rest == "-" or rest.startswith("- "):  # the dash is a line by itself: an item stands below it
            lines.append((indent, "-"))
            indent, rest = indent + len(rest) - len(rest[1:].lstrip()), rest[1:].strip()
        if rest not in ("", "---"):
            lines.append((indent, rest))
    return _block(lines, -1)


def _is_open(text: str) -> bool:
    """Whether a list or dict that begins in a text goes on."""
    return sum(map(text.count, "[{")) > sum(map(text.count, "]}"))


def _parts(text: str) -> list[str]:
    """What stands between the commas of a list or dict."""
    found: list[str] = []
    for part in text.split(","):
        if found and _is_open(found[-1]):
            found[-1] += f",{part}"
        else:
            found.append(part)
    return [part.strip() for part in found if part.strip()]


def _block(lines: list[_Line], above: int) -> Any:
    """The list, dict or scalar that begins with these lines, which are taken; None where they are no deeper."""
    if not lines or lines[0][0] <= above:
        return None
    indent, line = lines[0]
    if line != "-" and not _KEY.match(line):
        return _scalar(lines.pop(0)[1])
    found: Any = [] if line == "-" else {}
    while lines and lines[0][0] == indent and (lines[0][1] == "-") == (line == "-"):
        key, _, item = (part.strip() for part in lines.pop(0)[1].partition(":"))
        if line == "-":
            found.append(_block(lines, indent))
        else:  # a list may stand as deep as its key
            found[_scalar(key)] = _scalar(item) if item else _block(lines, indent - (lines[:1] == [(indent, "-")]))
    return found


def _scalar(text: str) -> Any:
    """A number, a word, or a list or dict in one line."""
    if text[:1] in "[{" and text[:1]:
        parts = _parts(text[1:-1])
        if text[0] == "[":
            return list(map(_scalar, parts))
        return {_scalar(key.strip()): _scalar(item.strip()) for key, _, item in (p.partition(":") for p in parts)}
    if text[:1] in ("'", '"'):
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


_COMMENT, _KEY = re.compile(r"(^|\s)#.*"), re.compile(r"[\w.-]+:(\s|$)")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False, "null": None, "~": None}
NAMES: dict[str, Any] = {
    "requests.get": _get,
    "wget.download": _download,
    "idx2numpy.convert_from_file": _idx,
    **{f"yaml.{name}": _load for name in ("load", "safe_load", "full_load")},
}
