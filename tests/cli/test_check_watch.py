"""`dout check --watch` checks again after a save, ends quietly, and leaves no process behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from check_commands import PLAIN, RIGHT, TRIPLE, WRONG, write

from dout.check.worker.kept_answers import OFF

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


@pytest.fixture
def watched(tmp_path):
    """A folder that is watched, and the process that watches it."""
    environment = {key: value for key, value in PLAIN.items() if key != OFF}
    environment |= {"DOUT_CACHE_DIR": str(tmp_path / "cache"), "PYTHONUNBUFFERED": "1"}
    write(tmp_path / "code", RIGHT)
    process = subprocess.Popen(
        [sys.executable, "-m", "dout", "check", ".", "--watch"], cwd=tmp_path / "code", env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored in the background
    )  # fmt: skip
    yield tmp_path / "code", process
    process.kill()
    process.communicate()


def said(process):
    """What it prints until the summary."""
    lines = []
    while not lines or not re.match(r"\d+ layers?: |nothing was checked", lines[-1]):
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    return "".join(lines)


def family(cache):
    """The processes that have this cache folder in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"DOUT_CACHE_DIR={cache}\0".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_a_save_and_a_new_file_are_checked_at_once(watched):
    folder, process = watched
    assert "1 layer: 1 gradient exact" in said(process)
    (folder / "mine.py").write_text(WRONG)
    text = said(process)
    assert "mine.py has changed" in text
    assert "1 layer: 1 wrong, 1 error" in text
    write(folder, TRIPLE, "other.py")
    assert "2 layers: 1 gradient exact, 1 wrong, 1 error" in said(process)
    (folder / "mine.py").write_text(RIGHT)
    assert "2 layers: 2 gradients exact" in said(process)


def test_a_file_that_is_no_python_is_said_and_watched_on(watched):
    folder, process = watched
    said(process)
    (folder / "mine.py").write_text("class Square")
    assert "1 target could not be run" in said(process)
    (folder / "mine.py").write_text(RIGHT)
    assert "1 layer: 1 gradient exact" in said(process)


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("how", "busy"), [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, True)])
def test_it_ends_quietly_and_with_all_that_it_started(how, busy, watched):
    folder, process = watched
    said(process)
    if busy:
        write(folder, RIGHT.replace("return x * x", "while True: pass"))
        time.sleep(2)
    assert len(family(folder.parent / "cache")) >= 2
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does it
    else:
        process.send_signal(how)
    process.wait(10)
    assert "interrupted" not in process.stdout.read()
    until = time.monotonic() + 10
    while family(folder.parent / "cache") and time.monotonic() < until:
        time.sleep(0.1)
    assert family(folder.parent / "cache") == []


def test_without_a_cache_there_is_nothing_to_watch(tmp_path):
    write(tmp_path, RIGHT)
    command = [sys.executable, "-m", "dout", "check", "mine.py", "--watch"]
    run = subprocess.run(command, cwd=tmp_path, env=PLAIN, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert "--watch needs a cache" in run.stderr
