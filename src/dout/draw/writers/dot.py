"""Scene → DOT: the graph with its values and gradients, for people who have Graphviz or build on it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from dout.colours import SANS
from dout.draw.paint.style import STYLES, palette_of
from dout.draw.scene.scene import Edge, Item, Label, Level, Scene, Stem
from dout.draw.terminal.terminal_sizes import Styled, gradient_lines, value_lines
from dout.draw.view_options import Look
from dout.draw.words.safe_text import printable

if TYPE_CHECKING:
    from dout.draw.paint.pictured import Pictured

_BOLD = frozenset({"value", "wrong", "loud", "result", "title"})
_SMALL = frozenset({"caption", "constant", "note", "wrong-note"})
# Attributes by kind of item; colours are added from the style.
_SHAPES = {
    "operator": ("operator", "shape=circle width=0.55 margin=0.02"),
    "layer": ("layer", "shape=box peripheries=2"),
    "input": ("name", "shape=plaintext margin=0.04"),
    "entry": ("dot", "shape=point width=0.03"),
    "exit": ("dot", "shape=point width=0.03"),
    "result": ("dot", "shape=point width=0.03"),
}
_FILLED = {"operator": "filled", "layer": "rounded,filled"}


def write(picture: Pictured) -> bytes:
    """The whole graph, with the layers open that are open in the picture."""
    return write_dot(picture.scene, picture.look).encode()


def write_dot(scene: Scene, look: Look = Look()) -> str:
    """Return a scene as DOT; every text is an HTML-like label in which nothing of it is markup."""
    return _Writer(look).graph(scene)


class _Writer:
    def __init__(self, look: Look) -> None:
        self._look = look
        self._palette = palette_of(look.theme)
        self._count = 0
        self._lines: list[str] = []
        self._indent = "  "
        self._edges: list[tuple[int, int, str]] = []  # by what they lead to and its port, which Graphviz orders them by

    def graph(self, scene: Scene) -> str:
        notes = scene.notes + ([] if scene.level.items else [(scene.nothing, "note")])
        fonts = f'fontname="{",".join(SANS)}" fontcolor="{self._palette["ink"]}"'
        size = [f'  size="{self._look.width / 25.4:.3f},100!";'] if self._look.width else []
        ink = f'color="{self._palette["ink"]}"'
        lines = [
            "digraph dout {",
            f"  rankdir=LR; ordering=in; nodesep=0.3; ranksep=0.4; labelloc=b; labeljust=l; {fonts};",
            f'  bgcolor="{self._palette["paper"]}"; tooltip={_quoted(scene.title)};',
            *size,
            *([f"  label=<{self._text(notes, left=True)}>;"] if notes else []),
            f"  node [{fonts} {ink} fontsize=13];",
            f"  edge [{fonts} {ink} fontsize=12 arrowsize=0.6];",
        ]
        self._level(scene.level)
        edges = [f"  {text}" for _, _, text in sorted(self._edges, key=lambda edge: edge[:2])]
        return "\n".join([*lines, *self._lines, *edges, "}"]) + "\n"

    def _level(self, level: Level) -> tuple[list[int], list[int]]:
        """Write the items of a level and keep its edges; return its entries and exits."""
        into: list[list[int]] = []  # for each item, what its ports are
        out: list[list[int]] = []  # and what its stems leave from
        for item in level.items:
            if item.inside is None:
                node = self._node(item)
                into.append([node] * item.ports)
                starts = [node] * len(item.stems)
            else:
                entries, starts = self._open(item, item.inside)
                into.append(entries)
            out.append([self._stem(*pair) for pair in zip(item.stems, starts, strict=True)])
        for edge in level.edges:
            source, target = level.items[edge.source], level.items[edge.target]
            stem, is_gate = source.stems[edge.stem], target.kind in ("exit", "result") or target.inside is not None
            label = edge.label if stem.end == "dot" else stem.label
            end = into[edge.target][edge.port]
            self._edge(out[edge.source][edge.stem], end, edge.port, label, edge, not is_gate)
        gates = [[nodes[0] for item, nodes in zip(level.items, ports, strict=True) if item.kind == kind and nodes]
                 for kind, ports in (("entry", out), ("exit", into))]  # fmt: skip
        return gates[0], gates[1]

    def _open(self, item: Item, inside: Level) -> tuple[list[int], list[int]]:
        self._count += 1
        words = [(f"▾ {item.text}", "title"), *([(item.caption, "caption")] if item.caption else [])]
        colours = f'bgcolor="{self._palette["panel"]}"; color="{self._palette["quiet"]}"'
        self._say(f"subgraph cluster_{self._count} {{")
        self._indent += "  "
        self._say(f'label=<{self._text(words)}>; labelloc=t; style="rounded,dashed"; {colours};')
        self._say(f"tooltip={_quoted(item.hover)};")
        gates = self._level(inside)
        self._indent = self._indent[2:]
        self._say("}")
        return gates

    def _node(self, item: Item) -> int:
        style, shape = _SHAPES[item.kind]
        name = [(item.text, {"operator": "symbol", "layer": "title"}.get(item.kind, "name"))]
        more = [(item.caption, "caption")] if item.caption else []
        more += [(text, "constant") for text in item.constants[:4]]
        words = {"label": name, "xlabel": more} if item.kind == "operator" else {"label": name + more}
        labels = [] if "point" in shape else [f"{key}=<{self._text(said)}>" for key, said in words.items() if said]
        fill = STYLES[style].fill if item.kind in ("operator", "layer") else ""
        paint = [f'style="{_FILLED[item.kind]}" fillcolor="{self._palette[fill]}"'] if fill else []
        return self._new(" ".join([shape, *paint, *labels, f"tooltip={_quoted(item.hover)}"]))

    def _stem(self, stem: Stem, start: int) -> int:
        """The node that the uses of a value leave from: a dot if there are several. A result ends in its name."""
        if stem.end == "edge":
            return start
        shape = "shape=point width=0.08" if stem.end == "dot" else "shape=plaintext margin=0.04"
        label = f" label=<{self._text([(stem.name, 'result')])}>" if stem.end == "result" else ""
        node = self._new(shape + label)
        self._edge(start, node, 0, stem.label, stem, stem.end == "result")
        return node

    def _new(self, attributes: str) -> int:
        self._count += 1
        self._say(f"n{self._count} [{attributes}];")
        return self._count

    def _say(self, line: str) -> None:
        self._lines.append(self._indent + line)

    def _edge(self, source: int, target: int, port: int, label: Label, carrier: Stem | Edge, arrow: bool) -> None:
        said = value_lines(label.value) if label.value is not None else []
        said += gradient_lines(label.gradient) if label.gradient is not None else []
        style = "quiet" if carrier.kept else "thick" if carrier.thick else "edge"
        look = STYLES[style]
        parts = [f"label=<{self._text(said)}>", f"edgetooltip={_quoted(label.hover)}"] if said else []
        parts += [f"labeltooltip={_quoted(label.hover)}"] if said else []
        parts += [f'penwidth={look.width:g} color="{self._palette[look.stroke]}"'] if style != "edge" else []
        parts += ["style=dashed"] if look.dash else []
        parts += [] if arrow else ["arrowhead=none"]
        self._edges.append((target, port, f"n{source} -> n{target} [{' '.join(parts)}];"))

    def _text(self, lines: Sequence[Styled], left: bool = False) -> str:
        """Lines one below the other, in the colours of their styles."""
        written = []
        for text, style in lines:
            safe = escape(printable(text), quote=True) or " "
            words = f"<b>{safe}</b>" if style in _BOLD else safe
            small = ' point-size="10"' if style in _SMALL else ""
            written.append(f'<font color="{self._palette[STYLES[style].fill]}"{small}>{words}</font>')
        return "".join(f'{line}<br align="left"/>' for line in written) if left else "<br/>".join(written)


def _quoted(text: str) -> str:
    """Text as a string of DOT, in which neither quotes, nor backslashes, nor entities mean anything."""
    safe = escape(printable(text), quote=False).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{safe or " "}"'
