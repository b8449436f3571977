"""Who waits for kernels sees what is compiled, where a person can see it, and nothing of it remains."""

from __future__ import annotations

import io
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import dout
from dout.engine.runtime import compile_progress
from dout.engine.runtime.compile_progress import CompileProgress

pytest.importorskip("numba")

CLEAR = "\r\x1b[2K"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def a_terminal(monkeypatch):
    """In place of stderr; a fixture would be undone by pytest's own stderr when the test begins."""
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    monkeypatch.setattr(compile_progress, "PATIENCE", 0.0)
    return found


def waited_for(found):
    """What a stream holds as soon as there is something in it."""
    end = time.monotonic() + 10
    while not found.getvalue() and time.monotonic() < end:
        time.sleep(0.001)
    return found.getvalue()


def test_a_person_sees_which_kernel_of_how_many_and_then_nothing(monkeypatch):
    terminal = a_terminal(monkeypatch)
    with CompileProgress("Net.gradient", 3) as progress:
        assert waited_for(terminal) == f"{CLEAR}dout: compiling Net.gradient, kernel 1 of 3"
        progress.advance()
    assert terminal.getvalue().split(CLEAR)[1:] == [
        "dout: compiling Net.gradient, kernel 1 of 3",
        "dout: compiling Net.gradient, kernel 2 of 3",
        "",
    ]


def test_a_long_name_stays_in_one_line_and_a_strange_one_is_made_safe(monkeypatch):
    terminal = a_terminal(monkeypatch)
    with CompileProgress("a\x1b[31m" + "b" * 200, 10):
        (line,) = waited_for(terminal).split(CLEAR)[1:]
    assert len(line) <= 72
    assert "\x1b" not in line
    assert line.endswith("..., kernel 1 of 10")


def test_what_takes_less_than_a_second_says_nothing(monkeypatch):
    terminal = a_terminal(monkeypatch)
    monkeypatch.setattr(compile_progress, "PATIENCE", 60.0)
    with CompileProgress("f", 2) as progress:
        progress.advance()
    assert terminal.getvalue() == ""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(10)  # it was called off: it does not wait for the minute
            assert not thread.is_alive()


def test_a_pipe_hears_nothing_and_no_thread_waits(monkeypatch):
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    monkeypatch.setattr(compile_progress, "PATIENCE", 0.0)
    before = threading.active_count()
    with CompileProgress("f", 2) as progress:
        assert threading.active_count() == before
        progress.advance()
    assert pipe.getvalue() == ""


def test_a_notebook_shows_it_in_one_place_of_the_output(monkeypatch):
    shown = []
    cell = SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))

    def display(data, raw, display_id):
        shown.append(data["text/plain"])
        return cell

    module = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    monkeypatch.setattr(compile_progress, "PATIENCE", 0.0)
    with CompileProgress("f", 1):
        end = time.monotonic() + 10
        while not shown and time.monotonic() < end:
            time.sleep(0.001)
    assert shown == ["dout: compiling f", ""]


def test_a_compiled_call_tells_its_function_and_its_loops(monkeypatch, tmp_path):
    terminal = a_terminal(monkeypatch)
    monkeypatch.setenv("DOUT_CACHE_DIR", str(tmp_path))

    def swished(x):
        return x / (1 + np.exp(-x)) - 0.123

    def summed(x):
        total = 0.0
        for i in range(x.shape[0]):
            total += x[i] * 0.321
        return total

    dout.compile(swished)(np.linspace(-1, 1, 5000))
    assert "dout: compiling " in terminal.getvalue()
    assert "swished" in terminal.getvalue()
    dout.compile(summed)(np.linspace(-1, 1, 5000))
    assert "dout: compiling the loop at " in terminal.getvalue()
    assert terminal.getvalue().endswith(CLEAR)
