"""The picture as DOT: all that it says, in a text that Graphviz reads and nothing of which is markup."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from draw_traces import HOSTILE, branch, buy_fruits, given, hostile, made, one_layer, random_trace, trace_of

from dout.draw import draw
from dout.draw.view_options import Look
from dout.draw.writers.dot import write_dot

needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="no Graphviz here")


# A string in quotes, one in angle brackets, or a word or sign: all that there is in DOT.
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|<(?:<[^<>]*>|[^<>])*>|[\w.-]+|[^\s\w]')


def tokens(source: str) -> list[str]:
    return TOKEN.findall(source)


def labels(source: str) -> list[str]:
    """What the labels of a graph say; raises where one is no markup of ours."""
    said = []
    for token in tokens(source):
        if token.startswith("<"):
            root = ET.fromstring(f"<label>{token[1:-1]}</label>")
            assert {element.tag for element in root.iter()} <= {"label", "font", "b", "br"}
            said += ["".join(element.itertext()).strip() for element in root.iter("font")]
    return said


def graphviz(source: str, kind: str = "-Tplain") -> str:
    done = subprocess.run(["dot", kind], input=source, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_value_gradient_and_name_is_said() -> None:
    said = labels(write_dot(draw(buy_fruits()).scene))
    assert {"apple", "tax", "price", "mul_tax_layer", "×", "+", "715", "1.1", "◂ 650"} <= set(said)


def test_an_open_layer_is_a_cluster_that_edges_enter_and_leave_through_points() -> None:
    source = write_dot(draw(one_layer()).scene)
    assert source.count("subgraph cluster") == 1
    assert "▾ Sigmoid" in labels(source)
    assert source.count("width=0.03") == 2
    assert write_dot(draw(one_layer(), open="none").scene).count("subgraph") == 0


def test_an_output_that_is_used_as_well_ends_in_its_name() -> None:
    x = given()
    h = made("exp", x)
    out = made("exp", h)
    trace = trace_of([x, h, out], {x: 1.0, h: 2.0, out: 3.0}, names={h: "h"}, outputs={"h": h, "out": out})
    source = write_dot(draw(trace).scene)
    assert labels(source).count("h") == 1
    assert len(re.findall(r"arrowhead=none", source)) == 2  # to the dot between the uses, and to the end of h


def test_a_picture_without_a_backward_says_what_is_missing() -> None:
    said = labels(write_dot(draw(trace_of([], {}), backward=True).scene))
    assert said == ["nothing to draw: no hand-written backward was recorded"]


def test_a_wrong_gradient_stands_beside_the_right_one() -> None:
    said = labels(write_dot(draw(branch(wrong=True)).scene))
    assert {"◂ ✗ 1.1", "▲ first wrong", "✗ gradient of x is 1.1, right: 1.5, the first wrong edge"} <= {
        s.strip() for s in said
    }


def test_a_graph_of_nothing_says_so() -> None:
    assert labels(write_dot(draw(trace_of([], {})).scene)) == ["nothing to draw: no forward node was recorded"]


def test_theme_width_and_choice_of_layers_are_followed(tmp_path: Path) -> None:
    picture = draw(one_layer(), open="none", theme="dark", width=85)
    (file,) = picture.save(tmp_path / "layer.dot")
    source = file.read_text(encoding="utf-8")
    assert 'bgcolor="#0f141a"' in source
    assert 'size="3.346,100!"' in source
    assert "Sigmoid" in labels(source)


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("opened", ["all", "none"])
def test_no_text_becomes_markup_or_ends_its_string(kind: str, opened: str) -> None:
    plain, source = (write_dot(draw(hostile(text), open=opened).scene) for text in ("x", HOSTILE[kind]))
    assert len(labels(source)) == len(labels(plain))
    bare = [[token for token in tokens(text) if token[0] not in '"<'] for text in (plain, source)]
    assert bare[0] == bare[1]


@needs_graphviz
@pytest.mark.parametrize("kind", HOSTILE)
def test_graphviz_reads_hostile_text_as_it_is(kind: str) -> None:
    text = HOSTILE[kind]
    svg = ET.fromstring(graphviz(write_dot(draw(hostile(text), open="all").scene, Look()), "-Tsvg"))
    said = [element.text or "" for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert len(said) > 5
    if kind in ("script", "quote", "tex", "dot"):
        assert any(text[:12] in line for line in said)


@needs_graphviz
@pytest.mark.parametrize("trace", [buy_fruits(), one_layer(), branch(), *map(random_trace, range(3))])
def test_graphviz_lays_it_out(trace: Any) -> None:
    assert graphviz(write_dot(draw(trace, open="all").scene)).startswith("graph ")


@needs_graphviz
def test_graphviz_keeps_the_order_of_arguments() -> None:
    svg = ET.fromstring(graphviz(write_dot(draw(buy_fruits()).scene), "-Tsvg"))
    heights = {text.text: float(text.get("y", 0)) for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    names = ["apple", "apple_num", "orange", "orange_num"]
    assert sorted(names, key=lambda name: heights[name]) == names
