"""Picture → one HTML file that opens layers, pans, zooms and searches, without network and without framework.

Data come from Python (`data`), drawing is the page's own: the sources beside this file, joined into one script in the
order of `SCRIPTS`:

- layout.js    heights, columns and curves for whichever layers are open: the arithmetic of `coordinates` and `layout`
- draw.js      *things* (frames, edges, nodes, labels with their places), and the SVG elements that show them
- stage.js     which things are on screen; the camera; moving from one layout to the next; what a step hides
- state.js     the one state {open, step, values}, `render(state)`, `update(change)` and the event "dout:change"
- camera.js    pan, zoom and fit
- search.js    search
- controls.js  buttons, keys (`KEYS`), print
- numbers.js, arrays.js      Python's numbers, and arrays in words
- rules.js, recompute.js     the rows of the table, the run
- equations.js               a line of a card
- labels.js    the shapes of a label with the numbers of now
- run.js       the numbers of now in labels and words
- steps.js     the timeline
- cards.js     the card of a step
- edit.js      changing an input: a number, or the cells of an array
- table.js     the table, and the help
- source.js    the source, with the lines of the step
- main.js      the start

Nothing of a user's can become markup: the data are JSON without "<", and the scripts write text as text alone. The
page's policy allows its own style and script by their hashes and nothing else.
"""

from __future__ import annotations

import json
import re
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from dout.draw.page.page_data import page_data
from dout.draw.page.page_styles import style_sheet
from dout.draw.paint.style import palette_of
from dout.files import page_policy
from dout.trace.model.bulk_objects import collection_paused

if TYPE_CHECKING:
    from dout.draw.paint.pictured import Pictured

SCRIPTS = (
    *("numbers", "arrays", "rules", "equations", "recompute"),
    *("layout", "draw", "stage", "state", "camera", "search", "controls"),
    *("labels", "run", "steps", "cards", "edit", "table", "source", "main"),
)
_FIELD = re.compile(r"\{\{(\w+)\}\}")


def write(picture: Pictured) -> bytes:
    """The page of a picture, as one file."""
    palette_of(picture.look.theme)  # raises for one that there is not
    with collection_paused():
        data = page_data(picture)
    style, script = style_sheet() + source("page.css"), program()
    fields = {
        "title": escape(data["title"]),
        "theme": "" if picture.look.theme == "auto" else f' data-theme="{picture.look.theme}"',
        "policy": page_policy([style], script),
        "style": style,
        "data": _embedded(data),
        "script": script,
    }
    return _FIELD.sub(lambda field: fields[field[1]], source("page.html")).encode()


def program() -> str:
    """All scripts as one, in a scope of their own."""
    return "(() => {\n'use strict';\n" + "\n".join(source(f"{name}.js") for name in SCRIPTS) + "})();\n"


def source(name: str) -> str:
    """The text of a file beside this one."""
    return files(__package__).joinpath(name).read_text("utf-8")


def _embedded(data: object) -> str:
    """JSON that no parser of HTML takes for anything but text."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
