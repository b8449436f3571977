"""Scene → the JSON that the page draws from: every level with its columns, every item and label as finished shapes.

The page gets each layer that has an inside twice: closed, as shapes, and open, as a level of its own. Both have the
same ports, so columns and their order, which are computed here, hold however many layers are open; what depends on
that (heights, ends of columns, curves) is computed in the page by layout.js, with the arithmetic of `coordinates`,
`layout` and `paint`. The functions below say what each kind of object holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from dout.draw.layout import coordinates, layout
from dout.draw.layout.arrangement import join
from dout.draw.layout.column_order import put_in_order
from dout.draw.layout.layout import Block
from dout.draw.page.page_run import run_data
from dout.draw.paint import paint
from dout.draw.paint.display_list import Circle, Path, Rect, Shape
from dout.draw.paint.edge_labels import compose
from dout.draw.paint.style import TEXTS
from dout.draw.scene.scene import Edge, Item, Label, Level, Scene, Stem
from dout.draw.scene.scene_builder import scene_of
from dout.draw.scene.scene_drafts import Draft, LevelPlan
from dout.draw.scene.selection import Selection, has_inside, select
from dout.draw.scene.wiring import Wiring
from dout.draw.words.safe_text import BOLD_WIDTHS, OTHER_WIDTHS, WIDTHS
from dout.trace.model.recorded import LayerCall

if TYPE_CHECKING:
    from dout.draw.paint.pictured import Pictured

Json = dict[str, Any]

OPEN_AT_FIRST = 300  # items; the rest waits behind closed layers, unless the reader of the picture asked for them
MOST_TURNS = 50  # layers in the rest of a box of repeated steps that can open
INSIDES = 6_000  # operators and layers that the page holds: what is in the rest of a large picture is left out


def page_data(picture: Pictured) -> Json:
    """Return all that the page needs, as JSON.

    `levels`: the whole picture first, then the inside of each layer; `open`: the items that are open at first;
    `first`: label and level of the first wrong gradient; `theme`: "auto", or the one asked for; `notes`: what is said
    below, with its style; `sizes`: see `_sizes`; and what `run_data` adds for the steps, and for running with other
    numbers.
    """
    selection, wiring, scene = whole_scene(picture)
    writer = _Writer()
    writer.level(scene.level, wiring.root)
    notes = ([] if scene.level.items else [(scene.nothing, "note")]) + scene.notes
    if left := set(_layers(selection)) - wiring.selection.open:
        closed = (
            f"! {len(left):,} layers stay closed: a page holds {INSIDES:,} operators; open them by name, with --open"
        )
        notes.append((closed, "note"))
    return {
        "title": scene.title,
        "levels": writer.levels,
        "open": _open_at_first(selection, wiring.root, writer.items, automatic=picture.view.open == "auto"),
        "first": writer.first,
        "theme": picture.look.theme,
        "notes": notes,
        "sizes": _sizes(writer.sizes),
        **run_data(wiring, scene, writer.drafts, writer.labels),
    }


def whole_scene(picture: Pictured) -> tuple[Selection, Wiring, Scene]:
    """Return the selection of the view, and wiring and scene with every layer open that has an inside to see."""
    selection = select(picture.trace, picture.view)
    wiring = Wiring(picture.trace, picture.view, replace(selection, open=frozenset(_openable(selection))))
    return selection, wiring, scene_of(wiring)


def _openable(selection: Selection) -> set[LayerCall]:
    """The layers that can open on the page: first those that the view opens, then outer ones while there is room."""
    depth = selection.nesting.depth
    sizes = {call: len(units) for call, units in selection.nesting.levels().items() if call is not None}
    calls = sorted(_layers(selection), key=lambda call: (call not in selection.open, depth(call)))
    return _with_room(calls, sizes, INSIDES, selection, always=selection.open)


def _with_room(
    calls: Sequence[LayerCall],
    sizes: Mapping[LayerCall, int],
    room: float,
    selection: Selection,
    always: Collection[LayerCall] = (),
) -> set[LayerCall]:
    """The calls whose insides have room on the page, outer calls first."""
    found: set[LayerCall] = set()
    for call in calls:
        around, size = selection.nesting.around[call], sizes.get(call, 0)
        if (call in always or room >= size) and (around is None or around in found):
            room -= size
            found.add(call)
    return found


def _layers(selection: Selection) -> list[LayerCall]:
    """The layers with more than one operator. Of steps that repeat often, only those that the view opens."""
    nesting, opened = selection.nesting, selection.open
    long = {fold for fold in nesting.folds if len(nesting.inner[fold]) > MOST_TURNS and fold not in opened}
    return [call for call in selection.calls if call not in long and has_inside(call, selection.members.get(call, ()))]


def _open_at_first(selection: Selection, root: LevelPlan, items: dict[LayerCall, int], *, automatic: bool) -> list[int]:
    """The items that the view opens, from outside inwards; where nobody chose them, not too many to look at."""
    room = OPEN_AT_FIRST - len(root.items) if automatic else inf
    sizes = {plan.call: len(plan.items) for plan in root.inward() if plan.call is not None}
    calls = sorted(selection.open & items.keys(), key=selection.nesting.depth)
    return sorted(items[call] for call in _with_room(calls, sizes, room, selection))


def _sizes(sizes: paint.PaintSizes) -> Json:
    """The constants of the arithmetic that the page shares with Python."""
    return {
        "between": sizes.spacing.between,
        "gap": layout.GAP,
        "climb": layout.CLIMB,
        "wider": layout.WIDER,
        "pad": paint.PAD,
        "header": paint.HEADER,
        "foot": paint.FOOT,
        "rounds": coordinates.ROUNDS,
        "fewerRounds": coordinates.FEWER_ROUNDS,
        "many": coordinates.MANY,
        "faint": coordinates.FAINT,
        "widths": [WIDTHS, BOLD_WIDTHS],
        "otherWidths": OTHER_WIDTHS,
        "texts": {name: [text.size, text.mono, text.bold] for name, text in TEXTS.items()},
    }


class _Writer:
    """Collects levels; `items` are the numbers of layers that open. Numbers of items and labels hold on all levels."""

    def __init__(self) -> None:
        self.sizes = paint.PaintSizes()
        self.levels: list[Json] = []
        self.items: dict[LayerCall, int] = {}
        self.drafts: dict[int, Draft] = {}
        self.labels: dict[int, Label] = {}
        self.first: Json | None = None
        self._count = 0
        self._painter = paint.Painter(self.sizes)

    def level(self, level: Level, plan: LevelPlan, outside: Sequence[Stem] = ()) -> int:
        """Add a level and return its number; `outside` are the stems that go on from its exits.

        `blocks` are its items, closed, and then the lanes of `branches` (edge → block, with the label that stands
        there); `columns` hold blocks and, from the number of blocks on, virtual ones, of which each link has a chain;
        `links` are source, stem, target, port; `styles` that of each link.
        """
        number = len(self.levels)
        self.levels.append({})
        exits = iter(outside)
        sizes = [
            self.sizes.exit(next(exits)) if item.kind == "exit" else self.sizes.block(_shut(item), None)
            for item in level.items
        ]
        joined = join(level, self.sizes, sizes)
        drafts = zip(level.items, sizes, plan.items, strict=True)
        self.levels[number] = {
            "items": [self._item(number, item, block, draft) for item, block, draft in drafts],
            "blocks": [_block(block) for block in joined.blocks],
            "branches": [
                self._branch(number, level.edges[edge], edge, block) for edge, block in joined.branches.items()
            ],
            "columns": put_in_order(joined.network),
            "links": joined.network.links,
            "chains": joined.network.chains,
            "styles": [paint.edge_style(edge) for edge in paint.link_edges(level, joined.branches)],
        }
        return number

    def _branch(self, level: int, edge: Edge, number: int, block: int) -> Json:
        return {"edge": number, "block": block, "style": paint.edge_style(edge), **self._labelled(level, edge.label)}

    def _number(self) -> int:
        self._count += 1
        return self._count

    def _item(self, level: int, item: Item, block: Block, draft: Draft) -> Json:
        """One item: `shapes` around its left end and middle; `body` is how far circle or box reach, for a ring.

        `inside` is the number of its level, `title` the width that an open layer needs for its words, `wrong` what is
        wrong in there; `reach` how far an edge goes in at each port to meet the outline; `place` where it stands in the
        order of the run.
        """
        number, shut = self._number(), _shut(item)
        self.drafts[number] = draft
        body = paint.ItemBody(shut, None)
        side = (body.lead - body.width) / 2
        found: Json = {
            "id": number,
            "kind": shut.kind,
            "text": item.text,
            "caption": item.caption,
            "hover": item.hover or next((stem.label.hover for stem in item.stems if item.kind == "input"), ""),
            "place": item.place,
            "wrong": item.wrong,
            "shapes": [_shape(shape) for shape in self._painter.body(body, 0, 0, block)],
            "body": [_n(side), _n(-body.half), _n(side + body.width), _n(body.half)],
            "reach": [_n(body.reach(y)) for y in body.ins],
            "stems": [self._stem(level, stem) for stem in item.stems],
        }
        if item.inside is not None:
            assert draft.inside is not None
            assert draft.call is not None
            self.items[draft.call] = number
            found["title"] = paint.title_width(item)
            found["inside"] = self.level(item.inside, draft.inside, item.stems)
        return {key: value for key, value in found.items() if value not in ("", 0, [])}

    def _stem(self, level: int, stem: Stem) -> Json:
        """The stem of an item: its reach `up` and `down`, the length of its `run`, and the room for its name."""
        up, down = self.sizes.extent(stem)
        found = {
            "end": stem.end,
            "name": stem.name,
            "style": paint.edge_style(stem),
            "up": up,
            "down": down,
            "run": self.sizes.run(stem),
            "tail": self.sizes.tail(stem),
        }
        return found | self._labelled(level, stem.label)

    def _labelled(self, level: int, label: Label) -> Json:
        """A label: the shapes of its value and of its gradient around the middle of its line, and since which step."""
        if not label:
            return {}
        value, gradient = compose(replace(label, gradient=None)), compose(replace(label, value=None))
        whole, number = self.sizes.label(label), self._number()
        self.labels[number] = label
        if label.gradient is not None and label.gradient.first:
            self.first = {"label": number, "level": level}
        return {
            "label": {
                "id": number,
                "hover": label.hover,
                "width": _n(whole.width),
                "up": _n(whole.up),
                "down": _n(whole.down),
                "value": [_shape(shape) for shape in value.shapes],
                "valueSince": label.value_since,
                "gradient": [_shape(shape) for shape in gradient.shapes],
                "gradientSince": label.gradient_since,
            }
        }


def _shut(item: Item) -> Item:
    return item if item.inside is None else replace(item, kind="layer", inside=None)


def _block(block: Block) -> Json:
    """As in `layout`, and more exact than shapes: all heights are computed from these numbers."""
    found: Json = {name: round(getattr(block, name), 5) for name in ("lead", "run", "up", "down")}
    found |= {"ins": [round(y, 5) for y in block.ins], "outs": [round(y, 5) for y in block.outs]}
    return found | ({"pull": True} if block.pull else {})


def _shape(shape: Shape) -> list[Any]:
    """A letter for the kind, then the style, then the numbers."""
    if isinstance(shape, Path):
        drawn = "".join(c + " ".join(str(_n(p)) for p in points) for c, points in shape.commands)
        return ["p", shape.style, drawn]
    if isinstance(shape, Circle):
        return ["c", shape.style, _n(shape.x), _n(shape.y), _n(shape.radius)]
    if isinstance(shape, Rect):
        return ["r", shape.style, *map(_n, (shape.x, shape.y, shape.width, shape.height, shape.radius))]
    return ["t", shape.style, _n(shape.x), _n(shape.y), shape.anchor, shape.text]


def _n(number: float) -> float:
    """A coordinate, to a hundredth of a pixel."""
    return round(number, 2)
