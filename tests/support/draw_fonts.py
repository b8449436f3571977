"""Fonts for the tests of the picture: those that this machine must have, or only those of a folder."""

from __future__ import annotations

import os
from operator import attrgetter
from pathlib import Path

import pytest
import reportlab

from dout.draw.paint.style import TEXTS
from dout.draw.writers import fonts
from dout.draw.writers.fonts import Typesetter

BUNDLED = Path(reportlab.__file__).parent / "fonts"


def fonts_for(text: str) -> None:
    """Skip the test where a font is missing; in CI, which installs them, fail."""
    setter = Typesetter(attrgetter("embeds"))
    setter.runs(text.replace(" ", ""), TEXTS["name"])
    if setter.missing:
        said = f"no font here has {' '.join(setter.missing)}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(said)


def only(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Act as on a machine with the fonts of these folders only."""
    monkeypatch.setattr(fonts, "folders", lambda: folders)
