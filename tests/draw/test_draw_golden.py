"""Golden pictures as display lists: a change says what moved, what is new and what is gone.

`python tests/test_draw_golden.py` says so too, and writes them anew; look at what moved before you keep it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path as File

import pytest
from draw_traces import branch, buy_fruits, one_layer
from picture_examples import arrays, gates

from dout.draw import draw
from dout.draw.paint.display_list import Drawing, Path, Shape, Text
from dout.draw.paint.style import STYLES, palette_of

GOLDEN = File(__file__).parents[1] / "golden"


def step(number: int) -> Drawing:
    return draw(buy_fruits()).frames[number]


PICTURES: dict[str, Callable[[], Drawing]] = {
    "buy_fruits": lambda: draw(buy_fruits()).drawing,
    "sigmoid_open": lambda: draw(one_layer()).drawing,
    "sigmoid_closed": lambda: draw(one_layer(), open="none").drawing,
    "branch_with_its_sum": lambda: draw(branch()).drawing,
    "wrong_gradient": lambda: draw(branch(wrong=True)).drawing,
    "arrays_on_edges": lambda: draw(arrays()).drawing,
    "open_layer_with_gates": lambda: draw(gates(), open={"Pair"}).drawing,
    "step_0": lambda: step(0),
    "step_5": lambda: step(5),
    "step_8": lambda: step(8),
}


def described(drawing: Drawing) -> list[str]:
    """A display list as lines that a person can compare: what, and where."""
    return [f"page at 0, 0 to {drawing.width:.0f}, {drawing.height:.0f}", *map(_line, drawing.shapes)]


def _line(shape: Shape) -> str:
    words = [type(shape).__name__.lower(), shape.style]
    words += [shape.text] if isinstance(shape, Text) else []
    words += ["".join(command for command, _ in shape.commands)] if isinstance(shape, Path) else []
    words += [f"from step {shape.since}"] if shape.since else []
    left, top, right, bottom = (round(n) for n in shape.box)
    return f"{' '.join(words)} at {left}, {top} to {right}, {bottom}"


def changes(before: list[str], after: list[str]) -> list[str]:
    """What differs between two lists: things of the same description that moved, and those that are gone or new."""
    old, new = _places(before), _places(after)
    said = []
    for what in dict.fromkeys([*old, *new]):
        was = [place for place in old[what] if place not in new[what]]
        now = [place for place in new[what] if place not in old[what]]
        said += [f"moved: {what}: {place} → {other}" for place, other in zip(was, now, strict=False)]
        said += [f"gone: {what} at {place}" for place in was[len(now) :]]
        said += [f"new: {what} at {place}" for place in now[len(was) :]]
    if not said and before != after:
        said.append("the order of shapes, or how many lie in one place")
    return said


def _places(lines: list[str]) -> defaultdict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        what, _, place = line.rpartition(" at ")
        found[what].append(place)
    return found


@pytest.mark.parametrize("name", PICTURES)
def test_a_display_list_is_the_golden_one(name: str) -> None:
    golden = (GOLDEN / f"draw_{name}.txt").read_text(encoding="utf-8").splitlines()
    changed = changes(golden, described(PICTURES[name]()))
    assert not changed, "\n".join([name, *changed, "python tests/test_draw_golden.py writes them anew"])


def test_a_change_says_what_moved_and_what_is_gone_or_new() -> None:
    before = ["circle dot at 0, 0 to 8, 8", "text value 2 at 5, 5 to 9, 9", "text name x at 0, 0 to 1, 1"]
    after = ["circle dot at 3, 0 to 11, 8", "text value 2 at 5, 5 to 9, 9", "text name y at 0, 0 to 1, 1"]
    moved = "moved: circle dot: 0, 0 to 8, 8 → 3, 0 to 11, 8"
    assert changes(before, after) == [moved, "gone: text name x at 0, 0 to 1, 1", "new: text name y at 0, 0 to 1, 1"]
    assert changes(before, before) == []
    assert changes(before, before[::-1]) == ["the order of shapes, or how many lie in one place"]


# --- on paper ---------------------------------------------------------------------------------------------------------


def grey(colour: str) -> float:
    """How light a colour is in greyscale, 0 … 1."""
    red, green, blue = bytes.fromhex(colour[1:])
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def test_the_print_theme_has_no_colour_at_all() -> None:
    for colour in palette_of("print").values():
        assert colour[1:3] == colour[3:5] == colour[5:7]


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_text_and_edges_stand_out_from_paper_in_greyscale(theme: str) -> None:
    palette = palette_of(theme)  # type: ignore[arg-type]
    for name in ("ink", "value", "gradient", "quiet", "wrong"):
        for ground in ("paper", "panel"):
            assert abs(grey(palette[name]) - grey(palette[ground])) > 0.3, (name, ground)


def test_value_gradient_and_wrong_differ_without_colour() -> None:
    """By weight, slant and mark: bold, ◂, ✗; and a box that is wrong by its heavier line on a darker ground."""
    shapes = draw(branch(wrong=True)).drawing.shapes
    said = {shape.style: shape.text for shape in shapes if isinstance(shape, Text)}
    assert said["gradient"].startswith("◂ ")
    assert said["wrong"].startswith("◂ ✗ ")
    assert not said["value"].startswith("◂")
    assert STYLES["cell-wrong"].width > STYLES["cell-box"].width
    palette = palette_of("print")
    assert grey(palette["wrong-fill"]) < grey(palette["zero"]) < grey(palette["paper"])


if __name__ == "__main__":
    for name, make in PICTURES.items():
        file, lines = GOLDEN / f"draw_{name}.txt", described(make())
        old = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        print("\n".join([name, *(f"  {line}" for line in changes(old, lines))]))  # noqa: T201
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
