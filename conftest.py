"""Runs the Python code of README.md and of pages in docs as tests, the slowest tests first, and each file by itself."""

import gc
import os
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_plugins = ["browser"]

OWN = tuple(Path(__file__).parent / folder for folder in ("tests", "benchmarks"))

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=[
        "README.md",
        "drawing.md",
        "compiling.md",
        "explaining.md",
        "training.md",
        "fast.md",
        "slides.md",
        "checking.md",
        "interfaces.md",
    ],
).pytest()

# What the tests start keeps its bytecode: to compile dout anew takes as long as all else that a command does.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Every check of a test runs, but of those that are about answers that are kept.
os.environ["DOUT_NO_CACHE"] = "1"

# How long an example takes to draw says something of the machine and of what else runs on it, and nothing of the code.
settings.register_profile("dout", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dout")

SLOWEST = (
    "test_compile_command.py",
    "test_docs_site.py",
    "test_layers_checked.py",
    "test_spread_training.py",
    "test_show.py",
    "test_page_arrays.py",
    "test_page.py",
    "test_docs_tutorials.py",
    "test_one_judge.py",
    "test_primitives.py",
    "test_foreign_scripts.py",
    "test_resume.py",
    "test_onnx_node_tests.py",
)
PLACES = {name: place for place, name in enumerate(SLOWEST)}


def pytest_xdist_auto_num_workers(config):
    """One process more than there are cores: each often waits, for a command that it runs or for a limit of time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)  # before `-m "not long"` looks for the mark
def pytest_collection_modifyitems(items):
    """Begin with the files that take longest: the last file has one process, and the others wait for it.

    The order is the same wherever the collection has begun.

    Of a test with the mark `one_in(n)` one case in n runs ordinarily, and the others with `-m long`. Which one follows
    from its name: the same at every run, and the same row of a table for every test that takes it.
    """
    last = len(SLOWEST)
    items.sort(key=lambda item: (PLACES.get(item.path.name, last), not item.nodeid.startswith("tests/"), item.path))
    for item in items:
        for mark in item.iter_markers("one_in"):
            if zlib.crc32(item.callspec.id.encode()) % mark.args[0]:
                item.add_marker(pytest.mark.long)


loaded = {}  # the modules of the tests by name, while they are not in sys.modules


def pytest_collection_finish(session):
    """Unload all modules of the tests: to record a script is to look through every module of the user's."""
    loaded.update((name, module) for name, module in sys.modules.items() if _is_of_tests(module))
    for name in loaded:
        del sys.modules[name]
    gc.collect()
    gc.freeze()


def _is_of_tests(module):
    file = getattr(module, "__file__", None)
    own = isinstance(file, str) and any(map(Path(file).is_relative_to, OWN))
    return own and module.__name__ != "graph_verifier"


def pytest_runtest_setup(item):
    """Load what the module of a test can name."""
    module = getattr(item, "module", None)
    if module is not None and module.__name__ in loaded and module.__name__ not in sys.modules:
        sys.modules.update(_named_from(module.__name__))


def _named_from(name):
    """The modules of the tests that a module imports, at its beginning or in a function, with what these import."""
    found, waiting = {}, [name]
    while waiting:
        name = waiting.pop()
        if name in loaded and name not in found:
            found[name] = loaded[name]
            for item in list(vars(loaded[name]).values()):
                waiting += [str(getattr(item, "__name__", "")), str(getattr(item, "__module__", ""))]
                waiting += getattr(getattr(item, "__code__", None), "co_names", ())
    return found


def pytest_runtest_teardown(item, nextitem):
    """After the last test of a file unload that again, and let the collector leave alone what stays.

    To go through all that is left of 14,000 tests, over and over, took a third of the time.
    """
    if nextitem is None or nextitem.path != item.path:
        for name in [name for name, module in sys.modules.items() if _is_of_tests(module)]:
            del sys.modules[name]
        gc.collect()
        gc.freeze()


def pytest_configure(config):
    """Verify the graph after every pass of the engine, in all tests that compile in this process."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and "PYTEST_XDIST_WORKER" in os.environ:
        config.args = _begun_elsewhere(config.args)
    from graph_verifier import verify

    from dout.engine.passes.pipeline import after_each

    if verify not in after_each:
        after_each.append(verify)


def _begun_elsewhere(args):
    """The same places, from another one on in each process: what one of them has compiled the others only read."""
    folder = sorted(path for path in Path("tests").iterdir() if path.name != "__pycache__")
    places = [*map(str, folder), *(one for one in args if one != "tests")]
    turn = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    first = turn * len(places) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    return places[first:] + places[:first]
