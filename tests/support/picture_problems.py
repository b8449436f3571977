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
    texts = [s for s in picture.shapes if isinstance(s, Text) and s.style not in INSIDE]
    cells = [s for s in picture.shapes if isinstance(s, Rect) and s.style.startswith("cell")]
    nodes = [s for s in picture.shapes if isinstance(s, Circle | Rect) and s.style in NODES]
    boxes = [s for s in picture.shapes if isinstance(s, Rect) and s.style == "open"]
    edges = [s for s in picture.shapes if isinstance(s, Path) and s.style in EDGES]
    inside = [s for s in picture.shapes if isinstance(s, Text) and s.style in INSIDE]
    found = [f"text on text: {a} {b}" for a, b in combinations(texts, 2) if overlap(a.box, b.box)]
    found += [f"node on node: {a} {b}" for a, b in combinations(nodes, 2) if overlap(a.box, b.box)]
    labels = [*texts, *cells]
    found += [f"label on node: {a} {b}" for a in labels for b in nodes if overlap(a.box, b.box)]
    found += [
        f"cell on text: {a} {b}"
        for a in cells
        for b in texts
        if overlap(a.box, b.box) and not (b.style.endswith("cell") and within(b.box, a.box))
    ]
    found += [
        f"{a} across the border of {b}"
        for a in [*labels, *nodes]
        for b in boxes
        if overlap(a.box, b.box) and not within(a.box, b.box)
    ]
    found += [f"not in its shape: {a}" for a in inside if not any(within(a.box, b.box) for b in [*nodes, *boxes])]
    runs = [(edge, list(pieces(edge))) for edge in edges]
    solid = [(b, (b.box[0] + 1.5, b.box[1] + 1.5, b.box[2] - 1.5, b.box[3] - 1.5)) for b in nodes]
    for edge, parts in runs:
        around = edge.box
        found += [
            f"edge on label: {a}" for a in labels if overlap(a.box, around) and any(crosses(p, a.box) for p in parts)
        ]
        found += [
            f"edge on node: {a} {edge}"
            for a, box in solid
            if crosses(box, around) and any(goes_into(p, a, box) for p in parts)
        ]
    page = (0.0, 0.0, picture.width, picture.height)
    found += [f"outside the page: {s}" for s in picture.shapes if not within(s.box, page)]
    return found


def crosses(piece: Box, box: Box) -> bool:
    return piece[0] < box[2] and box[0] < piece[2] and piece[1] < box[3] and box[1] < piece[3]


def goes_into(piece: Box, node: Circle | Rect, box: Box) -> bool:
    if isinstance(node, Circle):
        x, y = (piece[0] + piece[2]) / 2, (piece[1] + piece[3]) / 2
        ends = [(piece[0], y), (x, y), (piece[2], y)]
        return any((px - node.x) ** 2 + (py - node.y) ** 2 < (node.radius - 1.5) ** 2 for px, py in ends)
    corner = box[0] + node.radius  # an edge may end in the round of a corner
    return crosses(piece, (corner, box[1], box[2] - node.radius, box[3]))
