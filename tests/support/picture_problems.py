"""What is wrong in a display list: overlaps, and arguments out of order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from dout.draw.paint.display_list import Box, Circle, Drawing, Path, Rect, Text

INSIDE = {"symbol", "word", "title", "wrong-inside"}  # texts that stand in the shape they belong to


NODES = {"operator", "layer"}


EDGES = {"edge", "thick", "quiet", "kept-edge", "kept-thick"}


TOLERANCE = 0.3


def overlap(a: Box, b: Box) -> bool:
    t = TOLERANCE
    return a[0] < b[2] - t and b[0] < a[2] - t and a[1] < b[3] - t and b[1] < a[3] - t


def within(a: Box, b: Box) -> bool:
    t = TOLERANCE
    return b[0] - t <= a[0] and b[1] - t <= a[1] and a[2] <= b[2] + t and a[3] <= b[3] + t


def pieces(path: Path) -> Iterator[Box]:
    """The straight pieces of a path, curves in forty, as thin boxes."""
    x = y = px = py = 0.0
    for command, points in path.commands:
        if command == "C":
            x1, y1, x2, y2, x3, y3 = points
            for i in range(1, 41):
                t = i / 40
                a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
                nx, ny = a * x + b * x1 + c * x2 + d * x3, a * y + b * y1 + c * y2 + d * y3
                px, py = (x, y) if i == 1 else (px, py)
                yield min(px, nx), min(py, ny), max(px, nx), max(py, ny)
                px, py = nx, ny
        elif command == "L":
            yield min(x, points[0]), min(y, points[1]), max(x, points[0]), max(y, points[1])
        x, y = points[-2:]


def problems(picture: Drawing) -> list[str]:
    """Every overlap in a picture."""
    shapes = [(s, s.box) for s in picture.shapes]  # a text measures itself each time it is asked
    texts = [(s, b) for s, b in shapes if isinstance(s, Text) and s.style not in INSIDE]
    cells = [(s, b) for s, b in shapes if isinstance(s, Rect) and s.style.startswith("cell")]
    nodes = [(s, b) for s, b in shapes if isinstance(s, Circle | Rect) and s.style in NODES]
    opened = [(s, b) for s, b in shapes if s.style == "open"]  # in a picture of several rows, in pieces
    edges = [(s, b) for s, b in shapes if isinstance(s, Path) and s.style in EDGES]
    inside = [(s, b) for s, b in shapes if isinstance(s, Text) and s.style in INSIDE]
    labels = [*texts, *cells]
    found = [f"text on text: {a} {b}" for (a, x), (b, y) in combinations(texts, 2) if overlap(x, y)]
    found += [f"node on node: {a} {b}" for (a, x), (b, y) in combinations(nodes, 2) if overlap(x, y)]
    found += [f"label on node: {a} {b}" for a, x in labels for b, y in nodes if overlap(x, y)]
    found += [
        f"cell on text: {a} {b}"
        for a, x in cells
        for b, y in texts
        if overlap(x, y) and not (b.style.endswith("cell") and within(y, x))
    ]
    found += [
        f"{a} across the border of {b}"
        for a, x in [*labels, *nodes]
        for b, y in opened
        if overlap(x, y) and not within(x, y)
    ]
    found += [f"not in its shape: {a}" for a, x in inside if not any(within(x, y) for _, y in [*nodes, *opened])]
    solid = [(node, (x[0] + 1.5, x[1] + 1.5, x[2] - 1.5, x[3] - 1.5)) for node, x in nodes]
    for edge, around in edges:
        parts = list(pieces(edge))
        found += [f"edge on label: {a}" for a, x in labels if overlap(x, around) and any(crosses(p, x) for p in parts)]
        found += [
            f"edge on node: {a} {edge}"
            for a, x in solid
            if crosses(x, around) and any(goes_into(p, a, x) for p in parts)
        ]
    page = (0.0, 0.0, picture.width, picture.height)
    return found + [f"outside the page: {s}" for s, x in shapes if not within(x, page)]


def crosses(piece: Box, box: Box) -> bool:
    return piece[0] < box[2] and box[0] < piece[2] and piece[1] < box[3] and box[1] < piece[3]


def goes_into(piece: Box, node: Circle | Rect, box: Box) -> bool:
    if isinstance(node, Circle):
        x, y = (piece[0] + piece[2]) / 2, (piece[1] + piece[3]) / 2
        ends = [(piece[0], y), (x, y), (piece[2], y)]
        return any((px - node.x) ** 2 + (py - node.y) ** 2 < (node.radius - 1.5) ** 2 for px, py in ends)
    corner = box[0] + node.radius  # an edge may end in the round of a corner
    return crosses(piece, (corner, box[1], box[2] - node.radius, box[3]))
