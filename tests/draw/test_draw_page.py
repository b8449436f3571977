"""The page as a file: what is in it, and that nothing of a user's becomes markup."""

from __future__ import annotations

import inspect
import json
import re
import sys
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import draw_traces as traces
import pytest
from recorded_scripts import record_script

from dout import load
from dout.draw import draw
from dout.draw.page import SCRIPTS, write
from dout.draw.page.page_data import page_data


class _Parts(HTMLParser):
    """The tags of a page, and what is in its style and its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, str] = {}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = dict(attrs).get("type") or tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        self.inside[self._open] = self.inside.get(self._open, "") + data


def parts_of(trace: traces.Trace, **options: object) -> _Parts:
    return _Parts(write(draw(trace, **options)).decode())  # type: ignore[arg-type]


def data_of(parts: _Parts) -> dict[str, object]:
    return json.loads(parts.inside["application/json"])  # type: ignore[no-any-return]


def test_the_source_is_in_the_page_of_a_run_of_here_alone(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text((Path(__file__).parents[2] / "examples" / "buy_apple.py").read_text())
    trace = record_script(script)
    trace.save(tmp_path / "mine.json")
    assert b"dy = dout * self.x" in write(draw(trace))
    assert b"dy = dout * self.x" not in write(draw(load(tmp_path / "mine.json")))  # a document may name any file


def test_a_page_is_one_file_that_loads_nothing() -> None:
    parts = parts_of(traces.buy_fruits())
    assert not [tag for tag, _ in parts.tags if tag in ("link", "img", "iframe", "object", "base")]
    assert not [a for _, attributes in parts.tags for a in attributes if a in ("src", "href", "style") or a[:2] == "on"]


def test_the_policy_allows_this_style_and_this_script_and_nothing_else() -> None:
    parts = parts_of(traces.buy_fruits())
    policy = next(a["content"] for tag, a in parts.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for part in ("script", "style"):
        digest = b64encode(sha256(parts.inside[part].encode()).digest()).decode()
        assert f"{part}-src 'sha256-{digest}';" in policy


def test_text_of_a_user_never_becomes_markup() -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    trace = traces.buy_fruits()
    page = write(draw(replace(trace, target=evil)))
    assert b"<img" not in page
    parts = _Parts(page.decode())
    assert [tag for tag, _ in parts.tags].count("script") == 2
    assert data_of(parts)["title"] == evil


def test_the_scripts_make_no_markup_from_text() -> None:
    script = parts_of(traces.buy_fruits()).inside["script"]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|fetch\(", script)


def test_every_source_beside_the_page_is_part_of_it() -> None:
    folder = Path(inspect.getfile(write)).parent
    assert {file.stem for file in folder.glob("*.js")} == set(SCRIPTS)


def test_a_layer_is_shipped_closed_and_open_but_one_operator_is_no_layer() -> None:
    fruits, sigmoid = (data_of(parts_of(t)) for t in (traces.buy_fruits(), traces.one_layer()))
    assert len(fruits["levels"]) == 1  # type: ignore[arg-type]
    assert len(sigmoid["levels"]) == 2  # type: ignore[arg-type]


def test_what_is_open_at_first_is_what_the_view_opens() -> None:
    assert len(data_of(parts_of(traces.one_layer()))["open"]) == 1  # type: ignore[arg-type]
    assert data_of(parts_of(traces.one_layer(), open="none"))["open"] == []


def test_what_is_too_much_for_a_page_stays_closed_from_the_inside_out_and_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = data_of(parts_of(traces.random_trace(3, 200)))
    monkeypatch.setattr(sys.modules[page_data.__module__], "INSIDES", 60)
    part = data_of(parts_of(traces.random_trace(3, 200)))
    assert 1 < len(part["levels"]) < len(whole["levels"])  # type: ignore[arg-type]
    assert "60 operators" in str(part["notes"])
    assert "operators" not in str(whole["notes"])


def test_a_theme_that_there_is_not_is_refused_as_by_every_writer() -> None:
    with pytest.raises(ValueError, match="there is no theme"):
        write(draw(traces.buy_fruits(), theme='x" onload="alert(1)'))  # type: ignore[arg-type]


def test_the_table_says_what_is_right_beside_a_wrong_gradient() -> None:
    rows = page_data(draw(traces.branch(wrong=True)))["rows"]
    assert "1.1 ✗ right: 1.5" in [row[2] for row in rows]
