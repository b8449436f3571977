"""What pictures cost, and how often their edges cross: against the goals, and against Graphviz dot where it is there.

    python benchmarks/drawing.py

Goals: 2,000 nodes as SVG in at most 1 s, 100,000 in at most 8 s (most of them in groups); a loop of 2,000 turns in at
most 3 s and 1 MB, 50 layers in at most 1.5 s; over 100 random graphs at most 1.3 × the crossings of dot with
`ordering=in`, counted on the finished curves of both. The dot comparison is for development only.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from pathlib import Path as File

import numpy as np

sys.path.insert(0, str(File(__file__).resolve().parent.parent / "tests" / "support"))
from draw_traces import random_trace

from dout.draw import draw, page
from dout.draw.paint.display_list import Path
from dout.draw.paint.scene_drawing import paint
from dout.draw.scene.scene import Level
from dout.draw.scene.scene_builder import build_scene
from dout.draw.view_options import View
from dout.trace.record.script import run_script
from dout.trace.record.trace import Trace

EXAMPLES = File(__file__).resolve().parent.parent / "examples"
STEPS = 12  # straight pieces of a curve

Curve = np.ndarray  # points, one a row


def bezier(points: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Points on a chain of cubic curves, after the first."""
    corners = np.reshape(points, (-1, 2))
    t = np.linspace(0, 1, STEPS + 1)[1:, None]
    for i in range(0, len(corners) - 3, 3):
        a, b, c, d = corners[i : i + 4]
        yield from (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t * t * (1 - t) * c + t**3 * d


def curve(path: Path) -> Curve:
    """A drawn path."""
    points: list[tuple[float, float]] = []
    for command, numbers in path.commands:
        points += bezier([*points[-1], *numbers]) if command == "C" else [(numbers[0], numbers[1])]
    return np.array(points)


def crossings(curves: Sequence[Curve]) -> int:
    """In how many points the curves cross each other, ends that meet not counted."""
    boxes = [(c.min(0), c.max(0)) for c in curves]
    total = 0
    for i, j in combinations(range(len(curves)), 2):
        (low, high), (low2, high2) = boxes[i], boxes[j]
        if (low < high2).all() and (low2 < high).all():
            total += _crossing(curves[i], curves[j])
    return total


def _crossing(one: Curve, other: Curve) -> int:
    a, b, c, d = one[:-1, None], one[1:, None], other[None, :-1], other[None, 1:]

    def side(p: Curve, q: Curve, r: Curve) -> Curve:
        turn = (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        return np.where(np.abs(turn) < 1e-6, 0, np.sign(turn))

    return int(((side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)).sum())


def ours(trace: Trace) -> int:
    """The crossings in our picture."""
    shapes = paint(build_scene(trace, View("none"))).shapes
    return crossings([curve(s) for s in shapes if isinstance(s, Path) and s.style in ("edge", "thick")])


def of_dot(level: Level) -> int:
    """The crossings in dot's picture of the same items and edges."""
    edges = sorted(level.edges, key=lambda e: (e.target, e.port))
    lines = "".join(f"{e.source}->{e.target}[dir=none];" for e in edges)
    nodes = "".join(f"{i}[shape=circle];" for i in range(len(level.items)))
    source = f"digraph{{rankdir=LR;ordering=in;{nodes}{lines}}}"
    plain = subprocess.run(["dot", "-Tplain"], input=source, capture_output=True, text=True, check=True).stdout
    curves = []
    for words in (line.split() for line in plain.splitlines() if line.startswith("edge")):
        numbers = [float(w) * 72 for w in words[4 : 4 + 2 * int(words[3])]]
        curves.append(np.array([numbers[:2], *bezier(numbers)]))
    return crossings(curves)


def compare(count: int = 100) -> None:
    """Print the crossings over random graphs."""
    mine, dots = 0, 0
    for seed in range(count):
        trace = random_trace(seed, 4 + seed % 30, reach=4 + seed % 9, layers=seed % 2 == 0)
        mine += ours(trace)
        dots += of_dot(build_scene(trace, View("none")).level)
    print(f"crossings in {count} random graphs: {mine}, dot {dots}; ratio {mine / dots:.2f}, goal ≤ 1.3")


def time_it(size: int, goal: float) -> None:
    """Print what a picture costs, from the scene to the SVG."""
    trace = random_trace(1, size, layers=False)
    assert trace.by_node
    start = time.process_time()
    picture = draw(trace)
    marks = [start]
    for step in (lambda: picture.scene, lambda: picture.drawing, picture.svg):
        step()
        marks.append(time.process_time())
    scene, shapes, svg = (b - a for a, b in pairwise(marks))
    total = marks[-1] - start
    print(
        f"{size:7} nodes: scene {scene:.2f} s, layout and shapes {shapes:.2f} s, SVG {svg:.2f} s;"
        f" {total:.2f} s, goal ≤ {goal} s"
    )


def time_loop(turns: int) -> None:
    """Print what the picture of a loop costs, from the recording to each format."""
    with tempfile.TemporaryDirectory() as folder:
        program = File(folder, "recurrent.py")
        program.write_text((EXAMPLES / "recurrent.py").read_text().replace("(2, 100, 3)", f"(2, {turns}, 3)"))
        trace = run_script(str(program)).trace()
    assert trace.by_node
    print(f"{turns:7} turns of a loop:", end=" ")
    for name, made in (("text", lambda p: p.text(100)), ("SVG", lambda p: p.svg()), ("page", page.write)):
        start = time.process_time()
        size = len(made(draw(trace)))
        print(f"{name} {time.process_time() - start:.2f} s, {size / 1e6:.2f} MB", end="; ")
    print("goal ≤ 3 s, ≤ 1 MB")


def time_deep() -> None:
    """Print what the picture of 50 layers costs, folded and layer by layer, and how much wider than high it is."""
    trace = run_script(str(EXAMPLES / "deep_net.py")).trace()
    assert trace.by_node
    for unfold in (False, True):
        start = time.process_time()
        picture = draw(trace, unfold=unfold)
        size = len(picture.svg())
        shape = f"{picture.drawing.width / picture.drawing.height:.1f} : 1"
        print(f"50 layers{', unfolded' * unfold}: {time.process_time() - start:.2f} s, {size / 1e6:.2f} MB, {shape}")


def main() -> None:
    """Print all of it."""
    time_it(2_000, 1.0)
    time_it(100_000, 8.0)
    for turns in (100, 500, 2_000):
        time_loop(turns)
    time_deep()
    if shutil.which("dot"):
        compare()


if __name__ == "__main__":
    main()
