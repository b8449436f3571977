"""`dout cache`: what dout keeps for the next process, how much of it, since when; and the folder emptied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from dout.cli import options
from dout.cli.output.printing import tell
from dout.errors import DoutError, visible

if TYPE_CHECKING:
    from dout.cache_folder import CacheEntry

KERNEL, ANSWER, FIGURE = "kernel", "answer of a check", "figure of this machine"


@click.command(short_help="Show the folder of machine code and reports, or empty it.")
@click.option("--clear", is_flag=True, help="Remove all that dout keeps there, and nothing else.")
@options.as_json
def cache(clear: bool, as_json: bool) -> None:
    """Show what dout keeps for the next process: kernels, what checks have found, figures of this machine.

    The folder is DOUT_CACHE_DIR, or dout's among the caches of your system. It holds 1 GB, or DOUT_CACHE_SIZE (500M,
    2G); beyond that, what nobody has used for longest goes. Nothing is lost that dout cannot make again.
    """
    from dout import cache_folder

    try:
        place, most = cache_folder.root(), cache_folder.limit()
        entries = cache_folder.clear() if clear else cache_folder.kept()
    except (OSError, RuntimeError) as error:
        raise DoutError(
            f"there is no folder to keep anything: {error}; set DOUT_CACHE_DIR to a folder of yours"
        ) from None
    kinds = _by_kind(entries)
    if as_json:
        document = {"dout": "cache/1", "folder": str(place), "limit": int(most), "cleared": clear}
        document |= {"kinds": {name: _figures(found) for name, found in kinds.items()}}
        click.echo(json.dumps(document, ensure_ascii=True))
        return
    from dout.engine.compile.plan_text import size

    total = size(sum(entry.nbytes for entry in entries))
    if clear:
        removed = ", ".join(_counted(name, found) for name, found in kinds.items() if found)
        click.echo(
            f"removed {removed}, {total}, from {visible(str(place))}" if entries else f"nothing is kept in {place}"
        )
        return
    head = [(f"{visible(str(place))} ", ""), (f"{total} of at most {size(most)} (DOUT_CACHE_SIZE)", "bold")]
    tell([head, *(_line(name, found) for name, found in kinds.items() if found)])


def _by_kind(entries: Sequence[CacheEntry]) -> dict[str, list[CacheEntry]]:
    kinds: dict[str, list[CacheEntry]] = {KERNEL: [], ANSWER: [], FIGURE: []}
    for entry in entries:
        machine_code = any(path.suffix for path in entry.files)
        kinds[KERNEL if machine_code else ANSWER if entry.name.startswith("answer_") else FIGURE].append(entry)
    return kinds


def _counted(name: str, found: Sequence[CacheEntry]) -> str:
    first, _, rest = name.partition(" ")
    return f"{len(found)} {first}{'s' * (len(found) != 1)}{f' {rest}' * bool(rest)}"


def _line(name: str, found: Sequence[CacheEntry]) -> list[tuple[str, str]]:
    from dout.engine.compile.plan_text import size

    since, used = (_day(moment) for moment in (min(one.since for one in found), max(one.used for one in found)))
    nbytes = size(sum(one.nbytes for one in found))
    return [(f"  {_counted(name, found):<32} {nbytes:>8}   ", ""), (f"since {since}, last used {used}", "dim")]


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M")


def _figures(found: Sequence[CacheEntry]) -> dict[str, Any]:
    return {
        "count": len(found),
        "bytes": sum(one.nbytes for one in found),
        "since": min((one.since for one in found), default=None),
        "used": max((one.used for one in found), default=None),
    }
