"""Files of any kind: what stands in a file beside its layers, or what a file is, takes no layer with it."""

import json
import os
import socket
from pathlib import Path

import pytest
from check_commands import document, dout, layers
from dout_commands import run_dout

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes, links and signals of POSIX")

LAYER = """
class {name}{bases}:
    def forward(self, x):
        return 3 * x
    def backward(self, dout):
        return 3 * dout
"""
FIRST, LAST = LAYER.format(name="First", bases=""), LAYER.format(name="Last", bases="")
RAISES = "def no(*a, **k): raise {error}\nclass Meta(type):\n    {names} = no\n" + LAYER.format(
    name="Odd", bases="(metaclass=Meta)"
)
OBJECT = "class Odd:\n    {body}\nodd = Odd()\n"


def meta(names, error="RuntimeError('meta')"):
    return RAISES.format(names=names, error=error)


BETWEEN = {
    # what a metaclass does
    **{
        f"a metaclass whose {name} raises": meta(name)
        for name in (
            "__instancecheck__", "__subclasscheck__", "__getattribute__", "__getattr__", "__setattr__", "__delattr__",
            "__repr__", "__str__", "__eq__", "__hash__", "__bool__", "__len__", "__iter__", "__contains__", "__dir__",
            "__call__",
        )
    },
    "a metaclass that ends the program": meta("__instancecheck__ = __getattribute__", "SystemExit"),
    "a metaclass that interrupts": meta("__getattribute__ = __hash__", "KeyboardInterrupt"),
    "a metaclass that answers anything": "class Meta(type):\n    def __getattribute__(c, n): return 42\n"
    + LAYER.format(name="Odd", bases="(metaclass=Meta)"),
    "a metaclass that never answers": "class Meta(type):\n    def __getattribute__(c, n):\n        while True: pass\n"
    + LAYER.format(name="Odd", bases="(metaclass=Meta)"),
    "a metaclass that ends the process": "import os\nclass Meta(type):\n    def __getattribute__(c, n): os._exit(0)\n"
    + LAYER.format(name="Odd", bases="(metaclass=Meta)"),
    "a base that refuses children": "class Base:\n    def __init_subclass__(cls): raise RuntimeError\n",
    # objects
    "an object without a class": OBJECT.format(body="__class__ = property(lambda s: 1 / 0)"),
    "an object that ends the program": OBJECT.format(body="__class__ = property(lambda s: exit())"),
    "an object that raises, whatever it is asked": OBJECT.format(body="def __getattribute__(s, n): raise KeyError(n)"),
    "an object that interrupts": OBJECT.format(body="def __getattribute__(s, n): raise KeyboardInterrupt(n)"),
    "an object that never answers": OBJECT.format(body="def __getattribute__(s, n):\n        while True: pass"),
    "an object that says it is a class": OBJECT.format(body="__class__ = type"),
    "an object that has every name": OBJECT.format(body="def __getattr__(s, n): return s"),
    "an object without truth": OBJECT.format(body="__eq__ = __hash__ = __bool__ = __len__ = lambda *a: 1 / 0"),
    "names that are no names": "globals()['not a name'] = globals()[5] = First\nglobals()['\\ud800'] = 3\n",
    "a name that cannot be compared": "class S(str):\n    __hash__ = lambda s: 1\n    __eq__ = lambda s, o: 1 / 0\n"
    "globals()[S('k')] = 1\n",
    # what classes and modules say of themselves
    "a class of another module": "First.__module__ = 'elsewhere'\n",
    "a class of no module": "First.__module__ = None\n",
    "a module that is a number": "First.__module__ = 3\n",
    "a module's name that cannot be compared": "class S(str):\n    __eq__ = __hash__ = lambda *a: 1 / 0\n"
    "First.__module__ = S('x')\n",
    "another name": "__name__ = 'x'\n",
    "no name and no file": "__name__ = None\n__file__ = 3\n",
    "no builtins": "__builtins__ = {}\n",
    "another in its place": "import sys\nsys.modules[__name__] = 3\n",
    "nothing in its place": "import sys\nsys.modules[__name__] = None\n",
    "a raising object in its place": "import sys\nclass M:\n    def __getattr__(s, n): raise RuntimeError(n)\n"
    "sys.modules[__name__] = M()\n",
    "a module of another class": "import sys, types\nclass M(types.ModuleType):\n"
    "    def __getattribute__(s, n): raise RuntimeError(n)\nsys.modules[__name__].__class__ = M\n",
    "a module's __getattr__ that raises": "def __getattr__(n): raise RuntimeError(n)\n__dir__ = __getattr__\n",
    "a module's __getattr__ that has all": "def __getattr__(n): return 42\n",
    # what Python itself runs on
    "print replaced": "import builtins\nbuiltins.print = None\n",
    "open replaced": "import builtins\nbuiltins.open = None\n",
    "isinstance replaced": "import builtins\nbuiltins.isinstance = lambda a, b: True\n",
    "len replaced": "import builtins\nbuiltins.len = lambda x: 0\n",
    "builtins deleted": "import builtins\ndel builtins.len, builtins.isinstance, builtins.getattr, builtins.type\n",
    "builtins emptied": "import builtins\nvars(builtins).clear()\n",
    "import replaced": "import builtins\nbuiltins.__import__ = None\n",
    "no classes can be made": "import builtins\ndel builtins.__build_class__\n",
    "the standard library replaced": "import ast, copy, inspect, linecache, os, pickle, re, signal, time, traceback\n"
    "ast.parse = copy.deepcopy = inspect.signature = linecache.getlines = os.path = os.getcwd = os._exit = None\n"
    "pickle.dumps = re.compile = signal.signal = time.monotonic = time.perf_counter = traceback.extract_tb = None\n",
    "all modules thrown out": "import sys\nsys.modules.clear()\n",
    "no import path": "import sys\nsys.path[:] = []\nsys.path = None\nsys.meta_path = []\nsys.path_hooks.clear()\n",
    "another folder": "import os\nos.chdir('/')\n",
    "no recursion": "import sys\nsys.setrecursionlimit(60)\n",
    "no output": "import sys\nsys.stdout = None\nsys.stderr = 3\n",
    "output closed": "import os, sys\nsys.stdout.close()\nsys.stderr.close()\nfor i in range(3): os.close(i)\n",
    "warnings are errors": "import warnings\nwarnings.simplefilter('error')\nwarnings.warn = None\n",
    # what goes on
    "threads": "import threading, time\nfor i in range(5): threading.Thread(target=time.sleep, args=(99,)).start()\n",
    "signals and an exit handler": "import atexit, signal\natexit.register(lambda: 1 / 0)\n"
    "for s in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM): signal.signal(s, lambda *a: 1 / 0)\n"
    "signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)\n",
    "signals blocked": "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 60))\n",
    "a tracing function that raises": "import sys\nsys.settrace(lambda *a: 1 / 0)\nsys.setprofile(lambda *a: 1 / 0)\n",
    "no collection": "import gc\ngc.disable()\n",
    "a layer that replaces builtins": "class Odd:\n    def forward(self, x):\n        import builtins\n"
    "        builtins.len = builtins.isinstance = None\n        return x * 1\n"
    "    def backward(self, dout):\n        return dout * 1\n",
    # how it is written
    "a name of 10,000 letters": LAYER.format(name="N" * 10_000, bases=""),
    "an argument of 10,000 letters": LAYER.format(name="Odd", bases="").replace("x", "x" * 10_000),
    "form feeds": "\x0c\n\x0cx = 1\n",
    "tabs": LAYER.format(name="Odd", bases="").replace("    ", "\t"),
}  # fmt: skip
NAMES = {what: f"{number:02}.py" for number, what in enumerate(BETWEEN)}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """What one command finds in a folder of them all."""
    folder = tmp_path_factory.mktemp("hostile")
    for what, name in NAMES.items():
        text = f"{FIRST}\n{BETWEEN[what]}\n{LAST}"
        (folder / name).write_text(text, "utf-8", "surrogatepass")
    found = document(".", "--timeout", "5", "-j", "2", cwd=folder, timeout=500)
    return {entry["file"]: entry for entry in found["files"]}


@pytest.mark.parametrize("what", BETWEEN)
def test_what_stands_between_two_layers_takes_neither_with_it(what, judged):
    found = judged[NAMES[what]]
    assert (found["problem"], found["skipped"]) == (None, None)
    by_name = {layer["layer"]: layer for layer in found["layers"]}
    for name in ("First", "Last"):
        assert [verdict["word"] for verdict in by_name[name]["verdicts"]] == ["exact"]
        assert by_name[name]["findings"] == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("a metaclass whose __getattribute__ raises", "Odd cannot be looked at: it raises RuntimeError: meta"),
        ("a metaclass that never answers", "did not end within 5 s, while it was loaded"),
        ("a metaclass that ends the process", "ended the interpreter, with exit code 0, while it was loaded"),
        ("len replaced", "wanted to replace builtins.len for everyone: refused"),
        ("builtins emptied", "and 15"),
    ],
)
def test_it_says_what_it_did_not_look_at_or_put_back(what, said, judged):
    assert any(said in remark for remark in judged[NAMES[what]]["remarks"])


@pytest.mark.one_in(12)
@pytest.mark.parametrize(
    "what",
    [
        "len replaced", "isinstance replaced", "builtins deleted", "import replaced", "the standard library replaced",
        "all modules thrown out", "no import path", "no recursion", "no output", "a module of another class",
        "another in its place", "an object that raises, whatever it is asked",
        "a metaclass whose __getattribute__ raises",
    ],
)  # fmt: skip
def test_a_layer_beside_it_is_drawn(what, tmp_path):
    (tmp_path / "mine.py").write_text(f"{FIRST}\n{BETWEEN[what]}\n{LAST}")
    run = run_dout("show", "mine.py:First", "--input", "x=[1.0, 2.0]", cwd=tmp_path, timeout=100)
    assert (run.returncode, run.stderr) == (0, "")
    assert "[3 6]" in run.stdout


# --- encodings --------------------------------------------------------------------------------------------------------

BOTH = FIRST + LAST
READ = {
    "a byte order mark": b"\xef\xbb\xbf" + BOTH.encode(),
    "latin-1, declared": b"# coding: latin-1\n# caf\xe9\n" + BOTH.encode(),
    "utf-7": b"# coding: utf-7\n" + BOTH.encode(),
    "lines of Windows": BOTH.replace("\n", "\r\n").encode(),
    "lines of old": BOTH.replace("\n", "\r").encode(),
}
UNREAD = {
    "latin-1, undeclared": (b"# caf\xe9\n" + BOTH.encode(), "invalid or missing encoding declaration"),
    "an encoding that there is not": (b"# coding: bogus\n" + BOTH.encode(), "unknown encoding"),
    "an encoding of no text": (b"# coding: hex\n" + BOTH.encode(), "'hex' is not a text encoding"),
    "two encodings": (b"\xef\xbb\xbf# coding: latin-1\n" + BOTH.encode(), "encoding problem"),
    "utf-16": (BOTH.encode("utf-16"), "invalid or missing encoding declaration"),
    "a null": (f"{FIRST}\0{LAST}".encode(), "null bytes"),
    "an end of file of old": (f"{FIRST}\x1a\n{LAST}".encode(), "invalid non-printable character U+001A"),
    "tabs and blanks": (BOTH.replace("        ", "\t", 1).encode(), "inconsistent use of tabs and spaces|unindent"),
    "parentheses without end": (f"{FIRST}x = {'(' * 5000}".encode(), "too many nested parentheses|nested too deeply"),
    "signs without end": (f"{FIRST}x = {'-' * 100_000}1\n".encode(), "nested too deeply|too complex"),
}


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encodings")
    for number, content in enumerate(READ.values()):
        (folder / f"read_{number}.py").write_bytes(content)
    for number, (content, _) in enumerate(UNREAD.values()):
        (folder / f"unread_{number}.py").write_bytes(content)
    return document(".", cwd=folder, timeout=300)


@pytest.mark.long
def test_a_file_that_python_cannot_read_is_told_in_a_line_by_the_other_commands(tmp_path):
    for what in ("signs without end", "an encoding of no text", "a null"):
        (tmp_path / "mine.py").write_bytes(UNREAD[what][0])
        for command in (["show"], ["bench"], ["compile", "-o", "fast.py"]):
            run = run_dout(*command, "mine.py", cwd=tmp_path, timeout=100)
            assert run.returncode == 2
            assert "Traceback" not in run.stderr
            assert run.stderr.splitlines()[-1].startswith("dout: mine.py")


@pytest.mark.parametrize("what", READ)
def test_a_file_is_read_as_python_reads_it(what, read):
    name = f"read_{list(READ).index(what)}.py"
    (found,) = [entry for entry in read["files"] if entry["file"] == name]
    assert [layer["verdicts"][0]["word"] for layer in found["layers"]] == ["exact", "exact"]


@pytest.mark.parametrize("what", UNREAD)
def test_a_file_that_is_no_python_is_told_in_a_line(what, read):
    name = f"unread_{list(UNREAD).index(what)}.py"
    (problem,) = [text for text in read["problems"] if text.startswith(name)]
    assert any(said in problem for said in UNREAD[what][1].split("|"))
    assert "\n" not in problem


# --- what a file is ---------------------------------------------------------------------------------------------------


def _socket(path):
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


KINDS = {
    "fifo.py": (os.mkfifo, "it is a named pipe, not a file"),
    "socket.py": (_socket, "it is a socket, not a file"),
    "zero.py": (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a file"),
    "loop.py": (lambda path: path.symlink_to("loop.py"), "it is a link that leads nowhere"),
    "gone.py": (lambda path: path.symlink_to("nowhere.py"), "it is a link that leads nowhere"),
    "folder.py": (lambda path: path.mkdir(), "it is a folder, not a file"),
}


@pytest.fixture
def kinds(tmp_path):
    for name, (make, _) in KINDS.items():
        make(tmp_path / name)
    (tmp_path / "layers.py").write_text(f"import fifo\nfrom zero import *\n{LAST}")
    (tmp_path / os.fsdecode(b"caf\xe9.py")).write_text(LAST)
    (tmp_path / "new\nline\x1b[31m.py").write_text(LAST)
    yield tmp_path
    for name in ("fifo.py", "socket.py"):
        (tmp_path / name).unlink()


@pytest.mark.long
def test_in_a_folder_nothing_but_files_is_opened_and_the_others_are_told(kinds):
    run = dout(".", "--json", cwd=kinds, timeout=100)
    found = {entry["file"]: entry for entry in json.loads(run.stdout)["files"]}
    assert run.returncode == 0
    for name, (_, said) in KINDS.items():
        if name != "folder.py":
            assert found.pop(name)["skipped"] == f"{name} cannot be read: {said}"
    assert len(found) == 3
    assert all(entry["layers"][0]["verdicts"][0]["word"] == "exact" for entry in found.values())
    shown = dout(".", cwd=kinds, timeout=100).stdout
    assert "caf\\udce9.py" in shown
    assert "new\\nline\\x1b[31m.py" in shown


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize("command", [["check"], ["show"], ["bench"], ["compile", "-o", "fast.py"]], ids=lambda c: c[0])
def test_what_is_no_file_is_told_in_a_line_where_it_is_named(command, kinds):
    for name, (_, said) in KINDS.items():
        if (command[0], name) == ("check", "folder.py"):
            continue  # a folder to look through
        run = run_dout(*command, name, cwd=kinds, timeout=100)
        told = f"{name} cannot be read: {said}"
        if name == "folder.py":
            told = "folder.py is a folder; name a file in it: folder.py/FILE.py"
        assert (run.returncode, run.stderr) == (2, f"dout: {told}\n")


def test_a_pipe_is_no_baseline_and_no_recording(kinds):
    os.mkfifo(kinds / "pipe.json")
    for arguments in (["check", "layers.py", "--baseline", "pipe.json"], ["show", "pipe.json"]):
        run = run_dout(*arguments, cwd=kinds, timeout=100)
        assert run.returncode == 2
        assert "it is a named pipe, not a file" in run.stderr
        assert run.stderr.count("\n") == 1


# --- large files ------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_layer_among_8_000_lines_is_judged(tmp_path):
    rows = "".join(f"x{i} = [{i}, {i}]\n" for i in range(8_000))
    (tmp_path / "long.py").write_text(FIRST + rows + LAST)
    found = layers(document("long.py", cwd=tmp_path, timeout=300))
    assert [found[name]["verdicts"][0]["word"] for name in ("First", "Last")] == ["exact", "exact"]


@pytest.mark.long
def test_a_layer_beside_a_text_of_30_mb_is_judged_or_left_in_words(tmp_path):
    with (tmp_path / "large.py").open("w") as file:
        file.write(f"{FIRST}\ntext = '{'a' * 3 * 10**7}'\n{LAST}")
    (tmp_path / "other.py").write_text(LAST)
    shown = document(".", cwd=tmp_path, timeout=500)
    (tmp_path / "large.py").unlink()
    large, other = shown["files"]
    assert other["layers"][0]["verdicts"][0]["word"] == "exact"
    words = [verdict["word"] for layer in large["layers"] for verdict in layer["verdicts"]]
    assert words == ["exact", "exact"] or large["skipped"]
    assert shown["summary"]["errors"] == 0
