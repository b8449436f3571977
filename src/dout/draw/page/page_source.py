"""The user's source beside the picture: the files that steps come from, and the lines of each step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dout.draw.scene.cards import DraftCard
from dout.draw.scene.scene_drafts import Draft
from dout.files import text_of
from dout.graph import Where
from dout.trace.model.user_source import is_user_code

MOST_LINES = 3_000  # of a file that a page takes along


class PageSource:
    """Collects the lines of steps; `files` are those that can be read, each with its name and its lines.

    Only where the run was recorded `here`: a document may name any file of this machine, and a page is passed on.
    """

    def __init__(self, here: bool) -> None:
        self.here = here
        self.files: list[dict[str, Any]] = []
        self._numbers: dict[str, int | None] = {}

    def lines(self, draft: Draft, cards: Sequence[DraftCard]) -> list[list[tuple[int, int]]]:
        """File and line of what an item does forward, then of the gradients in its backward card."""
        made = draft.node or draft.call
        forward = self._lines([made.where] if made is not None else [])
        gradients = (line.gradient for card in cards[1:] for line in card.lines)
        nodes = (each.node for each in gradients if each is not None and each.source == "user")
        backward = self._lines(node.where for node in nodes if node is not None)
        return [forward, backward or forward][: len(cards)]

    def _lines(self, places: Iterable[Where | None]) -> list[tuple[int, int]]:
        found = ((self._file(place.file), place.line) for place in places if place is not None)
        return [*dict.fromkeys((file, line) for file, line in found if file is not None)]

    def _file(self, path: str) -> int | None:
        if path not in self._numbers:
            try:
                lines = text_of(path).rstrip("\n").split("\n") if self.here and is_user_code(path) else []
            except (OSError, SyntaxError, ValueError):  # a recording from elsewhere, or a cell
                lines = []
            self._numbers[path] = len(self.files) if 0 < len(lines) <= MOST_LINES else None
            if self._numbers[path] is not None:
                self.files.append({"name": Path(path).name, "lines": lines})
        return self._numbers[path]
