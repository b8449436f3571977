"""A format that needs a package says so, and what notebooks ask for is what they get."""

from __future__ import annotations

import html
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import rich.console
from draw_traces import buy_fruits, one_layer, trace_of

from dout.draw import draw, page
from dout.draw.picture import formats
from dout.draw.scene import selection
from dout.errors import TargetError

KINDS = {"text/plain", "image/svg+xml", "text/html"}


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_package_that_is_missing_is_said_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    with pytest.raises(TargetError, match=r"a \.png picture needs resvg-py: pip install 'dout\[draw\]'"):
        draw(buy_fruits()).save(tmp_path / "fig.png")
    draw(buy_fruits()).save(tmp_path / "fig.svg")


# --- notebooks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [draw(buy_fruits()), buy_fruits()], ids=["picture", "trace"])
def test_a_notebook_gets_a_page_an_svg_and_text(shown) -> None:  # type: ignore[no-untyped-def]
    found = shown._repr_mimebundle_()
    assert set(found) == KINDS
    assert found["image/svg+xml"] == shown._repr_svg_()
    assert found["text/html"] == shown._repr_html_()
    assert found["text/plain"] == draw(buy_fruits()).text()
    ET.fromstring(found["image/svg+xml"])


def test_of_a_recording_that_is_too_large_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MOST_NODES", 5)
    found = buy_fruits()._repr_mimebundle_()
    assert found == {"text/plain": str(found["text/plain"])}
    assert found["text/plain"].startswith("by_hand has more than 5 nodes, the most that a picture holds: ")
    assert buy_fruits()._repr_svg_() is buy_fruits()._repr_html_() is None


def test_only_what_is_asked_for_is_made() -> None:
    picture = draw(buy_fruits())
    assert set(picture._repr_mimebundle_(include={"text/plain", "image/png"})) == {"text/plain"}
    assert set(picture._repr_mimebundle_(include=KINDS, exclude={"text/html"})) == KINDS - {"text/html"}


@pytest.mark.parametrize("trace", [buy_fruits(), one_layer('"></iframe><script>alert(1)</script>'), trace_of([], {})])
def test_the_page_stands_in_a_frame_that_nothing_gets_out_of(trace) -> None:  # type: ignore[no-untyped-def]
    text = trace._repr_html_()
    assert text.count("<") == 2  # the frame, and its end
    assert 'sandbox="allow-scripts' in text
    assert "allow-same-origin" not in text
    source = re.search(r'srcdoc="([^"]*)"', text)
    assert source is not None
    assert html.unescape(source[1]).encode() == page.write(draw(trace))


def test_rich_prints_the_picture_in_the_width_of_its_console() -> None:
    for width, expected in ((100, draw(buy_fruits()).text(100)), (55, draw(buy_fruits()).text(55))):
        for shown in (draw(buy_fruits()), buy_fruits()):
            console = rich.console.Console(file=io.StringIO(), width=width, force_terminal=False)
            console.print(shown)
            printed = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]
            assert printed == expected.rstrip()


def test_the_repr_is_short() -> None:
    assert repr(draw(buy_fruits())) == "<picture of by_hand: 4 operators>"
    assert repr(buy_fruits()) == "<trace of by_hand: 9 nodes, 4 layer calls>"
