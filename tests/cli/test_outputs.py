"""What is written over: only what dout wrote. Nothing of the user's is lost, and a file is whole or not there."""

import ast
import os
import re
import socket
from pathlib import Path

import pytest
from dout_commands import run_dout
from draw_traces import buy_fruits

from dout.check.project.baseline import BASELINE
from dout.cli.compile_command import MODULE
from dout.cli.output.check_output import PAGE
from dout.draw import draw
from dout.draw.picture.formats import FORMATS
from dout.errors import TargetError
from dout.files import Kind, refuse, write

resource = pytest.importorskip("resource")  # links, pipes and limits of POSIX

HOUSE = Path(__file__).parents[2] / "src" / "dout"
NOTE = Kind("a note", (".txt",), rb"\Aours")
LAYER = """
import numpy as np


class Half:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y / 2

    def backward(self, dout):
        return dout * (1 - self.y * self.y) / 2
"""


def run(*arguments, cwd, **options):
    return run_dout(*arguments, cwd=cwd, **options)


def names(folder):
    return sorted(os.fsencode(path.name) for path in folder.iterdir())


# --- one place --------------------------------------------------------------------------------------------------------

WRITERS = {"write_text", "write_bytes", "mkstemp", "NamedTemporaryFile", "replace", "rename", "save", "savez", "tofile"}
PLACES = {
    "files.py: open",  # the one
    "files.py: replace",
    "cache_folder.py: mkstemp",  # kernels and answers, in a folder of their own
    "cache_folder.py: fdopen",
    "cache_folder.py: replace",
    "cli/show_command.py: mkstemp",  # the page of --browser, where there was nothing
    "check/worker/sandbox.py: open",  # the null device
    "draw/writers/pdf.py: save",  # into memory
    "draw/writers/pptx.py: save",
    "train/state/checkpoints.py: save",  # into memory
    "train/layer_log.py: open",  # lines at the end of a log, which may be ours of before
    "exercise/sheet_runs.py: write_text",  # a sheet, in a folder of its own, in which it runs
    "exercise/prairielearn_question.py: write_text",  # results, in the container of the grader that asked for them
    "trace/program/data_files.py: save",
    "trace/program/data_files.py: savez",
    "trace/program/tables.py: open",  # what a program saves of a table: where programs may write
}


def _writes(call):
    """The name under which a call may write a file; nothing for others."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = [a.value for a in (*call.args, *(k.value for k in call.keywords)) if isinstance(a, ast.Constant)]
    modes = [a for a in given if isinstance(a, str) and re.fullmatch("[rwxabt+]{1,3}", a) and set(a) & set("wxa+")]
    if name in ("open", "fdopen") and modes:
        return name
    if name in ("replace", "rename") and (len(call.args) != 1 or call.keywords):  # of a text, or a dataclass
        return ""
    return name if name in WRITERS else ""


@pytest.mark.long
def test_every_file_is_written_in_one_place():
    found = set()
    for file in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and (name := _writes(node)):
                owner = ast.unparse(node.func)
                if (
                    owner not in ("picture.save", "model.save", "save", "replace", "items.replace")
                    and ".memory()" not in owner
                ):  # these call the one
                    found.add(f"{file.relative_to(HOUSE).as_posix()}: {name}")
    assert found == PLACES


# --- what is there ----------------------------------------------------------------------------------------------------

OTHERS = {
    ".svg": b'<svg xmlns="http://www.w3.org/2000/svg"><title>drawn by hand, not by dout</title></svg>\n',
    ".png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR...........tEXtSoftware\0Matplotlib",
    ".pdf": b"%PDF-1.4\n% about dout\n%%EOF\n",
    ".html": b"<!doctype html>\n<html><head><title>dout check: my notes</title></head></html>\n",
    ".pptx": b"PK\x03\x04 the lecture on dout\n",
    ".tex": b"% thesis\n\\documentclass{article}\n% Compile it, or \\input it\n",
    ".json": b'{"W": [1.0], "dout": 1}\n',
    ".txt": b"notes on what was drawn by dout\nand more\n",
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_picture_takes_the_place_of_ones_of_dout_and_of_no_other(suffix, tmp_path):
    path, picture = tmp_path / f"fig{suffix}", draw(buy_fruits())
    path.write_bytes(OTHERS[suffix])
    with pytest.raises(TargetError, match=rf"the file there is not a {suffix} picture by dout; --force"):
        picture.save(path)
    assert path.read_bytes() == OTHERS[suffix]
    assert picture.save(path, force=True) == (path,)
    first = path.read_bytes()
    path.write_bytes(first + b"" if suffix != ".svg" else first.replace(b"650", b"651"))
    picture.save(path)
    assert path.read_bytes() == first or suffix == ".pptx"  # its dates differ
    path.write_bytes(b"")  # nothing is lost
    picture.save(path)
    assert path.stat().st_size > 100
    assert names(tmp_path) == [os.fsencode(path.name)]


def test_a_trace_takes_the_place_of_a_trace_and_of_no_other(tmp_path):
    path, trace = tmp_path / "trace.json", buy_fruits()
    path.write_text('{"weights": [1, 2]}')
    with pytest.raises(TargetError, match=r"trace\.json cannot be written: the file there is not a trace document"):
        trace.save(path)
    assert path.read_text() == '{"weights": [1, 2]}'
    trace.save(path, force=True)
    trace.save(path)
    with pytest.raises(TargetError, match=r"mine\.py cannot be written: a trace document ends in \.json"):
        trace.save(tmp_path / "mine.py", force=True)
    assert names(tmp_path) == [b"trace.json"]


def test_no_step_of_a_picture_takes_the_place_of_a_file_that_dout_did_not_write(tmp_path):
    (tmp_path / "fig-2.svg").write_bytes(OTHERS[".svg"])
    with pytest.raises(TargetError, match=r"fig-2\.svg cannot be written: the file there"):
        draw(buy_fruits()).save(tmp_path / "fig.svg", steps=True)
    assert names(tmp_path) == [b"fig-2.svg"]
    assert (tmp_path / "fig-2.svg").read_bytes() == OTHERS[".svg"]


FORGOTTEN = {  # what was typed, and what would be lost
    "the name of the report": (["check", "--html", "layers.py", "other.py"], "layers.py", "a report ends in .html"),
    "the name of the baseline": (
        ["check", "other.py", "--baseline", "setup.json", "--write-baseline"], "setup.json", "not a baseline by dout"),
    "a report beside it": (["check", "other.py", "--html", "index.html"], "index.html", "not a report by dout"),
    "another suffix": (
        ["check", "other.py", "--baseline", "layers.py", "--write-baseline"], "layers.py", "a baseline ends in .json"),
    "the name of the module": (["compile", "other.py", "-o", "layers.py"], "layers.py", "not a module by dout"),
    "what is compiled": (["compile", "layers.py", "-o", "./layers.py", "--force"], "layers.py", "files that are read"),
    "a link to it": (["compile", "layers.py", "-o", "link.py", "--force"], "layers.py", "files that are read"),
    "another name of it": (["compile", "layers.py:Half", "-o", "hard.py", "--force"], "layers.py", "that are read"),
    "its module": (["compile", "layers:Half", "-o", "layers.py", "--force"], "layers.py", "files that are read"),
    "what it imports": (["compile", "user.py", "-o", "layers.py", "--force"], "layers.py", "files that are read"),
    "a drawing": (["show", "layers.py:Half", "-o", "logo.svg"], "logo.svg", "not a .svg picture by dout"),
    "a chart": (["bench", "layers.py:Half", "-o", "logo.svg"], "logo.svg", "not a chart by dout"),
    "a picture that is none": (["show", "layers.py:Half", "-o", "layers.py"], "layers.py", "a picture ends in"),
}  # fmt: skip


@pytest.mark.one_in(12)
@pytest.mark.parametrize("what", FORGOTTEN)
def test_a_command_loses_nothing_of_the_users_and_says_so_in_a_line(what, tmp_path):
    arguments, lost, said = FORGOTTEN[what]
    for name in ("layers.py", "other.py"):
        (tmp_path / name).write_text(LAYER)
    (tmp_path / "user.py").write_text(f"from layers import Half as Base\n{LAYER}")
    (tmp_path / "link.py").symlink_to("layers.py")
    (tmp_path / "hard.py").hardlink_to(tmp_path / "layers.py")
    (tmp_path / "setup.json").write_text('{"name": "mine"}')
    (tmp_path / "index.html").write_bytes(OTHERS[".html"])
    (tmp_path / "logo.svg").write_bytes(OTHERS[".svg"])
    before, text = names(tmp_path), (tmp_path / lost).read_bytes()
    finished = run(*arguments, cwd=tmp_path, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    assert finished.returncode == 2
    assert said in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert (tmp_path / lost).read_bytes() == text
    assert names(tmp_path) == before


@pytest.mark.long
def test_what_a_command_wrote_it_writes_again_and_anything_else_with_force(tmp_path):
    (tmp_path / "layers.py").write_text(LAYER)
    for arguments, kind in (
        (["check", "layers.py", "--html", "report.html"], PAGE),
        (["check", "layers.py", "--baseline", "known.json", "--write-baseline"], BASELINE),
        (["compile", "layers.py", "-o", "fast.py", "--dtype", "float32"], MODULE),
    ):
        path = tmp_path / next(a for a in arguments if a.endswith(kind.suffixes[0]) and a != "layers.py")
        path.write_text("something else")
        assert run(*arguments, cwd=tmp_path).returncode == 2
        assert path.read_text() == "something else"
        assert run(*arguments, "--force", cwd=tmp_path).returncode == 0
        path.write_text(path.read_text() + "\n")  # still dout's
        refuse(path, kind)
        assert run(*arguments, cwd=tmp_path).returncode == 0


# --- where it cannot be -----------------------------------------------------------------------------------------------


def _socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


ODD = {
    "a folder": (Path.mkdir, "it is a folder"),
    "a named pipe": (os.mkfifo, "it is a named pipe"),
    "a socket": (_socket, "it is a socket"),
    "a link to a device": (lambda path: path.symlink_to("/dev/full"), "it is a device"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "a link that leads back to itself"),
    "a link to nowhere": (lambda path: path.symlink_to("gone/x.txt"), "there is no folder"),
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_file_is_not_written(what, force, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    make, said = ODD[what]
    make(Path("x.txt"))
    before = os.lstat("x.txt").st_ino
    with pytest.raises(TargetError, match=f"x.txt cannot be written: .*{said}"):
        write([Path("x.txt")], [b"ours"], NOTE, force=force)
    assert os.lstat("x.txt").st_ino == before
    assert names(tmp_path) == [b"x.txt"]


@pytest.mark.parametrize("name", ["no/x.txt", "x.txt/y.txt", "\0.txt", f"{'n' * 300}.txt", "x.md", "x"])
def test_a_place_that_is_none_is_refused(name, tmp_path):
    (tmp_path / "x.txt").write_text("ours")
    with pytest.raises(TargetError, match=r"^[^\n]* cannot be written: [^\n]*$"):
        write([tmp_path / name], [b"ours"], NOTE)
    assert names(tmp_path) == [b"x.txt"]


def test_a_folder_or_a_file_that_may_not_be_written_is_said(tmp_path, monkeypatch):
    path = tmp_path / "x.txt"
    path.write_text("ours")
    for closed, said in ((tmp_path, "no file can be made in the folder"), (path, "it is read-only")):
        monkeypatch.setattr(os, "access", lambda place, mode, closed=closed: Path(place) != closed)  # a root may write
        with pytest.raises(TargetError, match=said):
            write([path], [b"ours, too"], NOTE)
        assert path.read_text() == "ours"


def test_a_name_that_is_no_text_is_written_and_shown(tmp_path):
    (tmp_path / "layers.py").write_text(LAYER)
    finished = run("check", "layers.py", "--html", os.fsdecode(b"caf\xe9.html"), cwd=tmp_path)
    assert finished.returncode == 0
    assert finished.stderr == "wrote caf\\udce9.html\n"
    assert b"caf\xe9.html" in names(tmp_path)


# --- whole, or not there ----------------------------------------------------------------------------------------------


def test_a_file_that_is_replaced_keeps_its_mode_and_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("ours, old")
    real.chmod(0o640)
    link.symlink_to(real.name)
    write([link], [b"ours, new"], NOTE)
    assert link.is_symlink()
    assert real.read_text() == "ours, new"
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_mode_that_any_new_file_has(tmp_path):
    (tmp_path / "plain").write_text("")
    write([tmp_path / "x.txt"], [b"ours"], NOTE)
    assert (tmp_path / "x.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_to_a_file_that_is_not_there_yet_makes_it(tmp_path):
    (tmp_path / "link.txt").symlink_to("real.txt")
    write([tmp_path / "link.txt"], [b"ours"], NOTE)
    assert (tmp_path / "real.txt").read_text() == "ours"
    assert (tmp_path / "link.txt").is_symlink()


def test_an_interrupt_leaves_what_was_there(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    files[1].write_text("ours, old")
    monkeypatch.setattr("shutil.copymode", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(files, [b"ours, new"] * 2, NOTE)
    assert files[1].read_text() == "ours, old"
    assert names(tmp_path) == [b"b.txt"]


def no_room():
    """No file may grow beyond 1,000 bytes: the system then says what it says of a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))


@pytest.mark.long
def test_a_full_disk_leaves_what_was_there_and_what_was_found_is_told(tmp_path):
    (tmp_path / "layers.py").write_text(LAYER)
    assert run("check", "layers.py", "--html", "report.html", cwd=tmp_path).returncode == 0
    before, text = names(tmp_path), (tmp_path / "report.html").read_bytes()
    finished = run("check", "layers.py", "--html", "report.html", cwd=tmp_path, preexec_fn=no_room)
    assert finished.returncode == 2
    assert "1 gradient exact" in finished.stdout
    assert finished.stderr == "dout: report.html cannot be written: File too large\n"
    assert (tmp_path / "report.html").read_bytes() == text
    assert names(tmp_path) == before
