"""The cache folder: what is in it, its limit, and that nothing of the user's goes with what is dout's."""

import json
import os
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from dout import cache_folder
from dout.cli import commands


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DOUT_CACHE_DIR", str(tmp_path / "cache"))
    cache_folder._warn.cache_clear()
    return tmp_path / "cache"


def kept(folder, name, nbytes, used, suffixes=("",)):
    """An entry of about so many bytes that was last used at that time."""
    for suffix in suffixes:
        cache_folder.write(name + suffix, bytes(nbytes), plain=suffix == ".py")
        os.utime(folder / (name + suffix), (used, used))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def dout(*arguments):
    done = CliRunner().invoke(commands, ["cache", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_an_empty_folder_is_no_error(folder):
    assert dout() == f"{folder} 0 B of at most 1 GB (DOUT_CACHE_SIZE)\n"
    assert dout("--clear") == f"nothing is kept in {folder}\n"
    assert not folder.exists()


def test_kernels_answers_and_figures_are_counted(folder):
    noon = time.mktime((2026, 3, 4, 12, 0, 0, 0, 0, -1))
    kept(folder, "exp_1", 1000, noon, (".bin", ".py"))
    kept(folder, "exp_2", 1000, noon + 3600, (".bin", ".py"))
    kept(folder, "answer_3", 500, noon)
    head, kernels, answers = dout().splitlines()
    assert head.startswith(str(folder))
    assert kernels.split("  ")[1] == "2 kernels"
    assert kernels.endswith("since 2026-03-04 12:00, last used 2026-03-04 13:00")
    assert "1 answer of a check" in answers
    kinds = json.loads(dout("--json"))["kinds"]
    assert [kind["count"] for kind in kinds.values()] == [2, 1, 0]
    assert kinds["kernel"]["bytes"] == sum(path.stat().st_size for path in folder.glob("exp*"))


def test_clear_removes_what_dout_keeps_and_nothing_else(folder):
    kept(folder, "exp_1", 10, 1e9, (".bin", ".py"))
    (folder / "thesis.py").write_text("import numpy as np\n")
    (folder / "data.bin").write_bytes(b"dout is not the word that this begins with")
    (folder / "notes").mkdir()
    (folder / "notes" / "one").write_text("mine")
    (folder / ".dout-now").write_text("another process is writing this")
    assert dout("--clear").startswith("removed 1 kernel, ")
    assert names(folder) == [".dout-now", "data.bin", "notes", "thesis.py"]


def test_beyond_the_limit_what_was_not_used_for_longest_goes(folder, monkeypatch):
    monkeypatch.setenv("DOUT_CACHE_SIZE", "4K")
    cache_folder._to_write[folder] = 1e9  # this process looks at the limit when the test says so
    for day, name in enumerate("abcd"):
        kept(folder, name, 600, day * 86_400, (".bin", ".py"))
    os.utime(folder / "a.bin", (9 * 86_400, 9 * 86_400))  # somebody read it: its text stays, too
    (folder / "mine").write_bytes(bytes(5000))
    cache_folder._to_write.clear()
    cache_folder.write("e", b"new")
    assert names(folder) == ["a.bin", "a.py", "e", "mine"]


def test_one_process_alone_does_not_pass_the_limit(folder, monkeypatch):
    monkeypatch.setenv("DOUT_CACHE_SIZE", "10K")
    for number in range(50):
        cache_folder.write(str(number), bytes(900))
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 11_000
    assert cache_folder.read("49")


@pytest.mark.parametrize(
    ("text", "nbytes"), [("", 1e9), ("500M", 5e8), ("2 GB", 2e9), ("1.5k", 1500), ("12", 12), ("0", 0)]
)
def test_a_limit_is_a_number_with_a_unit(text, nbytes, monkeypatch):
    monkeypatch.setenv("DOUT_CACHE_SIZE", text)
    assert cache_folder.limit() == nbytes


def test_a_limit_that_is_no_size_is_told_and_the_usual_one_holds(monkeypatch, folder):
    monkeypatch.setenv("DOUT_CACHE_SIZE", "much")
    with pytest.warns(RuntimeWarning, match="DOUT_CACHE_SIZE=500M"):
        assert cache_folder.limit() == 1e9


def test_nothing_is_kept_where_the_limit_is_nothing(folder, monkeypatch):
    monkeypatch.setenv("DOUT_CACHE_SIZE", "0")
    cache_folder.write("a", b"")
    assert cache_folder.read("a") is None


def test_processes_that_write_read_and_clear_at_once_get_whole_files_or_none(folder):
    program = """
import sys, warnings
from dout import cache_folder
warnings.simplefilter("error")
for turn in range(150):
    for name in "abc":
        cache_folder.write(name, name.encode() * 1000)
        assert cache_folder.read(name) in (None, name.encode() * 1000)
    if turn % 10 == int(sys.argv[1]):
        cache_folder.clear()
"""
    environment = os.environ | {"DOUT_CACHE_SIZE": "5K"}
    workers = [subprocess.Popen([sys.executable, "-c", program, str(n)], env=environment) for n in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert all(not path.name.startswith(".dout-") for path in folder.iterdir())
