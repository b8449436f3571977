"""One row in a package of one's own, as docs/architecture.md says it, and every reader knows it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
USE = """
import json
import numpy as np
import dout
from mine import cube


class Cube:
    def forward(self, x):
        self.x = x
        return cube(x)

    def backward(self, dout):
        return 3 * dout * self.x * self.x


x = np.array([[1.0, -2.0], [0.5, 3.0]])
trace = dout.trace(Cube(), x)
trace.draw(open="all").save("cube.html")
fast = dout.compile(lambda x: 2 * cube(x) + 1)
fast(x)
(program,) = fast.plan().programs
print(json.dumps({
    "rows": [str(node.primitive) for node in trace.graph.nodes],
    "derived": dout.grad(lambda x: np.sum(cube(x)))(x).tolist(),
    "verdict": dout.check(Cube(), x).verdicts[0].word,
    "picture": trace.draw(open="all").text(),
    "page": open("cube.html", encoding="utf-8").read(),
    "explained": str(dout.explain(lambda x: 2 * cube(x), x)),
    "steps": [(step.how, step.text) for step in program.steps],
    "fast": fast(x).tolist(),
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("primitive")
    (row,) = re.findall(r"### Add a primitive.*?```python\n(.*?)```", PAGE, re.DOTALL)
    (folder / "mine.py").write_text(row, encoding="utf-8")
    (folder / "use.py").write_text(USE, encoding="utf-8")
    run = subprocess.run([sys.executable, "use.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_it_is_traced(told):
    assert "cube" in told["rows"]


def test_it_is_differentiated(told):
    assert told["derived"] == [[3.0, 12.0], [0.75, 27.0]]


def test_it_is_checked_exactly(told):
    assert told["verdict"] == "exact"


def test_it_is_drawn_and_explained_by_its_words(told):
    assert "┤ ³ ├" in told["picture"]
    assert "three times the square" in told["page"]


def test_it_is_explained_by_its_own_arithmetic(told):
    assert "2   ³      ∂a/∂x = 3 · x²" in told["explained"]
    assert "∂L/∂x = 6 · ∂L/∂y · x²" in told["explained"]


def test_it_is_fused(told):
    assert told["steps"] == [["kernel", "result = (2 * (x * x * x)) + 1"]]
    assert told["fast"] == [[3.0, -15.0], [1.25, 55.0]]
