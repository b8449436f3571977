"""What each rule of `dout.adapt` serves: in how many layers of checkouts, and of how many, each of its functions runs.

    python -m benchmarks.wild.rules FOLDER... [--most 2] [--statements]

Each FOLDER is a checkout of one repository. A copy of dout, whose functions in `adapt` note each statement that runs,
checks it, layer by layer. Printed are the functions that run for at most so many layers, the longest last, with their
lines; with --statements those of their statements, too, for a rule that is always tried serves only where it gives
something: look at its `return` and `yield`. A rule that serves one layer of five hundred serves none of strangers.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

SOURCE = Path(__file__).parents[2] / "src"
MOST_LAYERS = 128  # of one process
LABEL = 256  # bytes: a file and the name of a layer
NOTES = f'''
"""Which statements ran, a byte each, in a slot a layer of a file that outlives the process."""
import mmap, os
here, slot, file = bytearray(1 << 16), -1, None
def begin(label):
    global slot, file
    name = os.path.join(os.environ["DOUT_RULES"], f"{{os.getpid()}}-{{os.urandom(4).hex()}}")
    opened = os.open(name, os.O_RDWR | os.O_CREAT)
    os.ftruncate(opened, (COUNT + {LABEL}) * {MOST_LAYERS})
    file, slot = mmap.mmap(opened, 0), -1
    os.close(opened)
    at(label)
def at(label):
    global slot, here
    slot = min(slot + 1, {MOST_LAYERS} - 1)
    start = slot * (COUNT + {LABEL})
    file[start : start + {LABEL}] = label.encode()[:{LABEL}].ljust({LABEL}, b"\\0")
    here = memoryview(file)[start + {LABEL} : start + {LABEL} + COUNT]
class Told:
    def __init__(self, pipe, job):
        self.pipe, self.job = pipe, job
    def send(self, message):
        if message[0] == "start":
            at(f"{{self.job.where}}|{{message[1]}}")
        self.pipe.send(message)
'''
WORKER = """
import dout._notes as _notes
_work = work
def work(pipe, job, *others):
    _notes.begin(f"{job.where}|")
    _work(_notes.Told(pipe, job), job, *others)
"""


class Place(NamedTuple):
    """A statement: the module and the function that it is in, and its line."""

    module: str
    function: str
    line: int


class Marks(ast.NodeTransformer):
    """Puts a note before each statement of a function."""

    def __init__(self, module: str, places: list[Place]) -> None:
        self.module, self.places, self.around = module, places, list[str]()
        self.inside = False

    def body(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """The statements of one block, with the notes."""
        found: list[ast.stmt] = []
        for one in statements:
            is_text = isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
            if self.inside and not is_text and not isinstance(one, ast.Global | ast.Nonlocal):
                self.places.append(Place(self.module, ".".join(self.around), one.lineno))
                found += ast.parse(f"_notes.here[{len(self.places) - 1}] = 1").body
            found.append(self.visit(one))
        return found

    def visit(self, node: ast.AST) -> Any:
        """Mark a statement's blocks; a class in a function is outside of it again."""
        if isinstance(node, ast.expr):
            return node
        named, before = isinstance(node, ast.FunctionDef | ast.ClassDef), self.inside
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            self.around.append(node.name)
            self.inside = isinstance(node, ast.FunctionDef)
        for field in ("body", "orelse", "finalbody"):
            if isinstance(block := getattr(node, field, None), list):
                setattr(node, field, self.body(block))
        for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            part.body = self.body(part.body)
        if named:
            self.around.pop()
            self.inside = before
        return node


def marked_copy(folder: Path) -> list[Place]:
    """Write a copy of dout into a folder, which notes what runs; the statements, by the number of their note."""
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    places: list[Place] = []
    for path in sorted((folder / "dout/adapt").rglob("*.py")):
        tree = ast.parse(path.read_text())
        Marks(str(path.relative_to(folder / "dout/adapt")), places).visit(tree)
        after = sum(isinstance(one, ast.Expr) or getattr(one, "module", "") == "__future__" for one in tree.body[:2])
        tree.body[after:after] = ast.parse("import dout._notes as _notes").body
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)))
    (folder / "dout/_notes.py").write_text(NOTES.replace("COUNT", str(len(places))))
    worker = folder / "dout/check/worker/worker.py"
    worker.write_text(worker.read_text() + WORKER)
    return places


def layers_noted(folder: Path, count: int) -> Iterator[tuple[str, bytes]]:
    """Each layer, as `file|name`, with a byte for each statement."""
    for path in folder.iterdir():
        noted = path.read_bytes()
        for start in range(0, len(noted), count + LABEL):
            label = noted[start : start + LABEL].rstrip(b"\0").decode(errors="replace")
            if label.partition("|")[2]:
                yield label, noted[start + LABEL : start + LABEL + count]


def run(folders: list[Path], places: list[Place], copy: Path) -> Mapping[int, set[tuple[str, str]]]:
    """The layers, each with its repository, for which each statement runs."""
    found: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for folder in folders:
        with tempfile.TemporaryDirectory() as notes:
            environment = {**os.environ, "PYTHONPATH": str(copy), "DOUT_RULES": notes, "DOUT_NO_CACHE": "1"}
            command = [sys.executable, "-m", "dout", "check", ".", "-j", "1", "--json"]
            subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for label, ran in layers_noted(Path(notes), len(places)):
                for number in (i for i, byte in enumerate(ran) if byte):
                    found[number].add((folder.name, label))
    return found


def _counted(layers: set[tuple[str, str]]) -> str:
    return f"{len(layers):3d} layers of {len({repository for repository, _ in layers}):2d} repositories"


def main() -> None:
    """Print the functions that serve few layers, and how many serve more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--most", type=int, default=2, help="layers for which a function that is printed runs")
    parser.add_argument("--statements", action="store_true", help="print each statement, too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as copy:
        places = marked_copy(Path(copy))
        ran = run(asked.folders, places, Path(copy))
    functions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, place in enumerate(places):
        functions[place.module, place.function].append(number)
    rows = [(len(numbers), set().union(*(ran[n] for n in numbers)), where) for where, numbers in functions.items()]
    for size, layers, (module, function) in sorted(rows, key=lambda row: (row[0], row[2])):
        if len(layers) <= asked.most:
            print(f"{size:4d} statements, {_counted(layers)}  {module}: {function}")
            text = (SOURCE / "dout/adapt" / module).read_text().splitlines() if asked.statements else []
            for number in functions[module, function] if asked.statements else ():
                print(f"     {len(ran[number]):4d}  {text[places[number].line - 1].strip()[:100]}")
    print(f"{sum(len(layers) > asked.most for _, layers, _ in rows)} functions serve more")


if __name__ == "__main__":
    main()
