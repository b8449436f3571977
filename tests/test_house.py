"""The house rules hold: layout, imports, one name for one thing, and one version everywhere."""

import ast
import re
import tomllib
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "dout"
FILES = sorted(SOURCE.rglob("*.py"))
MOST_MODULES = 15  # in one folder

# --- the rooms --------------------------------------------------------------------------------------------------------


def module_of(file):
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}


class Facts(NamedTuple):
    """What the rules ask of a file: read once, for all of them."""

    imported: frozenset[str]
    classes: tuple[str, ...]
    runs: frozenset[str]
    reads_words: bool
    codes: tuple[str, ...]
    constants: tuple[str, ...]


@cache
def facts(file):
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    texts = (n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return Facts(
        frozenset(imported(nodes)),
        tuple(n.name for n in nodes if isinstance(n, ast.ClassDef)),
        frozenset(ways_to_run(nodes)),
        any(map(looks_at_words, nodes)),
        tuple(text for text in texts if re.fullmatch(r"D[0-6]\d\d", text)),
        tuple(bound_at_the_top(nodes[0])),
    )


def bound_at_the_top(tree):
    """The constants of a file, by name, as often as they are bound: the last one counts for all that is above it."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets  # `_RULES |= …` adds to it
        names = [part for target in targets for part in ast.walk(target)]
        yield from (part.id for part in names if isinstance(part, ast.Name) and part.id.isupper())


def imported(nodes):
    """The modules of ours that a file imports: at its top, inside functions, and for types alone."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in whole)


def test_no_two_modules_import_each_other_not_even_for_types_or_inside_functions():
    graph = {name: {i for i in facts(file).imported if i in MODULES and i != name} for name, file in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_folder_is_crowded():
    found = Counter(file.parent.relative_to(SOURCE) for file in FILES if file.name != "__init__.py")
    assert {str(folder): n for folder, n in found.items() if n > MOST_MODULES} == {}


def test_a_name_of_a_module_stands_for_one_thing():
    found = Counter(file.stem for file in FILES if not file.stem.startswith("__"))
    assert {name: n for name, n in found.items() if n > 1} == {}


def test_a_name_of_a_public_class_stands_for_one_thing():
    found = Counter(name for file in FILES for name in facts(file).classes)
    assert {name: n for name, n in found.items() if n > 1 and not name.startswith("_")} == {}


def test_a_constant_of_a_module_is_bound_once():
    found = {module_of(file): Counter(facts(file).constants) for file in FILES}
    assert {(name, one) for name, of in found.items() for one, times in of.items() if times > 1} == set()


def test_only_ops_compares_names_of_primitives():
    others = [file for file in FILES if "ops" not in file.parts and file.name != "graph.py"]
    assert [module_of(file) for file in others if re.search(r"primitive\.name\b", file.read_text("utf-8"))] == []


RUN_ONLY = {
    "deepcopy", "redirect_stdout", "redirect_stderr", "getstate", "setstate", "get_state", "set_state", "bit_generator",
}  # fmt: skip


def ways_to_run(nodes):
    """The names in a file, used or imported, that copy layers, redirect output, or read and set random states.

    Names in texts and in definitions do not count: the tracer answers `seed` and `deepcopy` when users call them.
    """
    for node in nodes:
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            yield from {name} & RUN_ONLY
        elif isinstance(node, ast.ImportFrom):
            yield from {alias.name for alias in node.names} & RUN_ONLY
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "seed":
            yield "seed"


def test_only_run_copies_layers_redirects_output_and_sets_random_states():
    others = [file for file in FILES if file.parent != SOURCE / "run"]
    assert {module_of(file): found for file in others if (found := facts(file).runs)} == {}


WORDED = {"message", "because", "sentence"}  # attributes that are there to be read by people
LOOKING = {
    "startswith",
    "endswith",
    "partition",
    "rpartition",
    "split",
    "find",
    "search",
    "match",
    "fullmatch",
    "findall",
}
MAY_LOOK = {
    "dout.check.report.machine_formats",  # not to say the same twice
    "dout.check.report.report",
    "dout.trace.record.redraw",  # the document of a trace has an event's kind and its words alone
}


def looks_at_words(node):
    """Whether an expression compares an attribute with words, or searches in it."""
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        empty = any(isinstance(side, ast.Constant) and not side.value for side in sides)
        return not empty and any(isinstance(side, ast.Attribute) and side.attr in WORDED for side in sides)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOOKING):
        return False
    return any(isinstance(one, ast.Attribute) and one.attr in WORDED for one in (node.func.value, *node.args))


@pytest.mark.parametrize(
    "text", ["'raises' in f.message", "f.message == 'no'", "f.because.startswith('x')", "re.search('x', f.message)"]
)
def test_looking_at_the_words_of_a_message_is_found(text):
    assert looks_at_words(ast.parse(text, mode="eval").body)


def test_no_decision_is_taken_on_the_words_of_a_message():
    found = {name for name, file in MODULES.items() if facts(file).reads_words}
    assert found <= MAY_LOOK


def test_every_finding_is_one_file_named_by_its_code():
    from dout.check.rules import modules

    codes = [module.RULE.code for module in modules()]
    assert [module.__name__.rpartition(".")[2].partition("_")[0].upper() for module in modules()] == codes
    assert len(set(codes)) == len(codes)
    assert {module_of(file) for file in (SOURCE / "check" / "rules").rglob("d[0-9]*.py")} == {
        module.__name__ for module in modules()
    }


def test_a_code_is_written_in_its_own_rule_alone():
    found = Counter(code for file in FILES for code in facts(file).codes)
    assert {code: n for code, n in found.items() if n > 1} == {}


ROOMS = {name for name, file in MODULES.items() if file.name == "__init__.py"} - {"dout"}


def room_of(module):
    return module if module in ROOMS else module.rpartition(".")[0]


def named_by(room):
    """The modules of a room that `__all__` of its `__init__.py` names."""
    tree = ast.parse(MODULES[room].read_text(encoding="utf-8"))
    lists = [n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"]
    return {f"{room}.{name}" for value in lists for name in ast.literal_eval(value)} & MODULES.keys()


def test_a_room_is_entered_through_its_face():
    """Its face: the modules that it names, all of which others use, and those from which it takes names itself."""
    pairs = {(name, to) for name, file in MODULES.items() for to in facts(file).imported if to in MODULES}
    entered = {to for name, to in pairs if room_of(to) != room_of(name) and room_of(to) in ROOMS} - ROOMS
    named = set().union(*map(named_by, ROOMS))
    taken = {to for name, to in pairs if name == room_of(to)}
    assert (entered - named - taken, named - ROOMS - taken - entered) == (set(), set())


def test_every_room_says_in_its_first_line_what_it_is_and_the_map_says_the_same():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([a-z_./]+)/` \| (.+) \|$", page, re.MULTILINE))
    rooms = {
        str(file.parent.relative_to(SOURCE)): (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").split("\n")[
            0
        ]
        for file in FILES
        if file.name == "__init__.py" and file.parent != SOURCE
    }
    assert told == rooms


def test_tests_stand_in_rooms_of_the_same_names():
    folders = {folder.name for folder in (ROOT / "tests").iterdir() if any(folder.glob("test_*.py"))}
    assert folders <= {folder.name for folder in SOURCE.iterdir()}


# --- one fact, one place ----------------------------------------------------------------------------------------------


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_ci_script_runs_the_lines_that_the_readme_shows():
    readme = (ROOT / "README.md").read_text().splitlines()
    shown = [line for line in readme if line.startswith("python3 -m venv ")]
    script = (ROOT / ".ci" / "run").read_text()
    assert len(shown) == 2
    assert all(line in script for line in shown)


def test_the_page_on_the_engine_has_its_passes_in_their_order():
    from dout.engine.passes.pipeline import PASSES

    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = re.findall(r"^\d+\. `(\w+)`: (.+)$", page.partition("## The passes of the engine")[2], re.MULTILINE)
    said = [(one.__name__, (one.__doc__ or "").split("\n")[0]) for one in PASSES]
    assert told == said
