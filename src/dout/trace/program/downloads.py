"""What stands for libraries that fetch files (requests, wget), where they are not installed."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any


def _get(url: str, *args: Any, **options: Any) -> Any:
    """`requests.get`: what Python's own `urlopen` fetches, or what stands for it."""
    with urllib.request.urlopen(url) as answer:
        data: bytes = answer.read()

    def iter_content(chunk_size: int = 1, **options: Any) -> Iterator[bytes]:
        yield from (data[at : at + chunk_size] for at in range(0, len(data), chunk_size))

    return SimpleNamespace(
        content=data, text=data.decode(errors="replace"), status_code=200, ok=True, iter_content=iter_content,
        raise_for_status=lambda: None, headers={"content-length": str(len(data))},
    )  # fmt: skip


def _download(url: str, out: str | None = None, *args: Any, **options: Any) -> str:
    """`wget.download`: the name of the file that was written."""
    name = out or PurePosixPath(url).name
    urllib.request.urlretrieve(url, name)
    return name


NAMES: dict[str, Any] = {"requests.get": _get, "wget.download": _download}
