"""What a file does to its process hurts nobody else: hanging, exiting, crashing, memory, children, patches."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from check_commands import PLAIN, RIGHT, TRIPLE, document, dout, layers, write

from dout.check.project.discover import Job
from dout.check.worker.jobs import GivenArguments
from dout.check.worker.runner import run

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="processes in groups, signals and limits of POSIX")


def bad(name, *forward, before=""):
    """A layer that does something in its forward, between two that are fine."""
    body = "".join(f"        {line}\n" for line in forward)
    return (
        f"import os, sys, subprocess, time\nimport numpy as np\n{before}\n{RIGHT}\n"
        f"class {name}:\n    def forward(self, x):\n{body}        return x * 1\n"
        f"    def backward(self, dout):\n        return dout * 1\n\n\n{TRIPLE}"
    )


def words(shown, name):
    return [verdict["word"] for verdict in layers(shown)[name]["verdicts"]]


def processes(marker):
    """The processes whose command line has a marker."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker in path.read_text(errors="replace"):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


CULPRITS = {
    "hangs": (["while True: pass"], "Culprit did not end within 2 s"),
    "sleeps": (["time.sleep(1000)"], "Culprit did not end within 0.5 s"),
    "is stubborn": (["while True:", "    try: time.sleep(9)", "    except BaseException: pass"], "within 0.5 s"),
    "raises SystemExit": (["sys.exit(3)"], "Culprit ends the interpreter: it raises SystemExit(3)"),
    "exits": (["os._exit(0)"], "Culprit ended the interpreter, with exit code 0"),
    "kills itself": (["os.kill(os.getpid(), 9)"], "Culprit crashed (SIGKILL)"),
    "crashes": (["import ctypes", "ctypes.string_at(0)"], "Culprit crashed (SIGSEGV)"),
    "asks for too much": (
        ["np.ones((10**6, 10**6))"],
        "Culprit needs more memory than it may have; it was stopped (see --memory)",
    ),
    "eats": (
        ["kept = []", "while True: kept.append(bytearray(10**8))"],
        "Culprit needs more memory than it may have; it was stopped (see --memory)",
    ),
    "closes everything": (["os.closerange(3, 100)"], "Culprit "),
    "interrupts": (["raise KeyboardInterrupt"], "Culprit raises KeyboardInterrupt"),
}


@pytest.mark.one_in(12)
@pytest.mark.parametrize("what", CULPRITS)
def test_a_layer_that_ends_its_process_gets_a_finding_and_the_others_are_judged(what, tmp_path):
    lines, said = CULPRITS[what]
    path = write(tmp_path, bad("Culprit", *lines))
    seconds = 20 if "memory" in said else 0.5 if "sleep" in "".join(lines) else 2  # of sleep a fifth counts
    command = dout(path, "--json", "--timeout", seconds, "--memory", "0.5")
    shown = json.loads(command.stdout)
    was_stopped = "within" in said or "memory" in said  # by dout's own limits: nothing wrong was found
    assert command.returncode == (0 if was_stopped else 1)
    (finding,) = layers(shown)["Culprit"]["findings"]
    assert (finding["code"], finding["severity"]) == ("D003", "warning" if was_stopped else "error")
    assert said in finding["message"]
    assert layers(shown)["Culprit"]["seconds"] < 60
    assert finding["line"] == path.read_text().splitlines().index("class Culprit:") + 1
    assert list(layers(shown)) == ["Square", "Culprit", "Triple"]
    assert words(shown, "Square") == words(shown, "Triple") == ["exact"]


@pytest.mark.parametrize("takes", ["self, size", "self"])
def test_a_layer_that_does_not_end_is_a_warning(takes, tmp_path):
    waits = bad("Waits", "while True: pass")
    write(tmp_path, waits.replace("class Waits:", f"class Waits:\n    def __init__({takes}):\n        pass"))
    (finding,) = layers(document("mine.py", "--timeout", "1", cwd=tmp_path))["Waits"]["findings"]
    assert (finding["code"], finding["severity"]) == ("D003", "warning")


@pytest.mark.long
def test_a_layer_that_runs_and_is_not_judged_in_the_time_is_a_warning(tmp_path):
    write(tmp_path, bad("Slow", "global calls", "calls += 1", "while calls > 20: pass", before="calls = 0"))
    (finding,) = layers(document("mine.py", "--timeout", "2", cwd=tmp_path))["Slow"]["findings"]
    assert (finding["code"], finding["severity"]) == ("D003", "warning")
    assert finding["message"] == "Slow runs, and could not be judged within 2 s"


def test_a_layer_that_runs_and_is_not_judged_in_the_memory_is_a_warning(tmp_path):
    eats = ["global calls", "calls += 1", "if calls > 20: np.ones((10**6, 10**6))"]
    write(tmp_path, bad("Large", *eats, before="calls = 0"))
    (finding,) = layers(document("mine.py", "--memory", "0.5", cwd=tmp_path))["Large"]["findings"]
    assert (finding["code"], finding["severity"]) == ("D003", "warning")
    assert finding["message"] == "Large runs, and could not be judged within the memory that it may have (see --memory)"


def test_a_layer_that_is_out_of_memory_with_the_sizes_that_were_chosen_is_a_warning(tmp_path):
    write(tmp_path, "import numpy as np\nclass Table:\n    def __init__(self, words):\n"
                    "        self.W = np.ones((words, 10**11))\n    def forward(self, x):\n        return x @ self.W\n"
                    "    def backward(self, dout):\n        return dout @ self.W.T\n")  # fmt: skip
    (finding,) = layers(document("mine.py", "--memory", "0.5", cwd=tmp_path))["Table"]["findings"]
    assert (finding["code"], finding["severity"]) == ("D003", "warning")


def test_what_user_code_prints_is_swallowed_from_wherever_it_comes(tmp_path):
    loud = "print('LOUD'); os.system('echo LOUD; echo LOUD >&2'); print('LOUD', file=sys.stderr)"
    write(tmp_path, bad("Loud", loud, before=loud))
    command = dout("mine.py", cwd=tmp_path)
    assert "LOUD" not in command.stdout + command.stderr
    assert command.returncode == 0


def test_a_layer_that_changes_numpy_is_named_and_the_others_are_judged_with_the_real_one(tmp_path):
    write(tmp_path, bad("Patches", "np.multiply = np.add = np.exp = None", "np.seterr(all='raise')", "os.chdir('/')")
          + "class Exp:\n    def forward(self, x):\n        self.out = np.exp(x)\n        return self.out.copy()\n"
            "    def backward(self, dout):\n        return np.multiply(dout, self.out)\n")  # fmt: skip
    shown = document("mine.py", cwd=tmp_path)
    patched = [f for f in layers(shown)["Patches"]["findings"] if f["code"] == "D003"]
    assert patched
    assert patched[0]["message"].startswith("Patches replaces numpy.add, numpy.exp, numpy.multiply for everyone")
    assert words(shown, "Exp") == words(shown, "Triple") == ["exact"]


def test_a_mistake_in_the_layer_itself_is_an_error_with_its_line(tmp_path):
    path = write(tmp_path, bad("Typo", "missing"))
    (finding,) = layers(document(path))["Typo"]["findings"]
    assert (finding["code"], finding["message"]) == ("D001", "Typo raises NameError: name 'missing' is not defined")
    assert finding["line"] == path.read_text().splitlines().index("        missing") + 1


def test_children_of_user_code_are_gone_afterwards(tmp_path):
    sleep = "subprocess.Popen(['sleep', '86399.125'])"
    write(tmp_path, bad("Starts", sleep, before=sleep))
    write(tmp_path, bad("Hangs", sleep, "while True: pass", before=sleep), "other.py")
    dout(".", "--timeout", "2", cwd=tmp_path)
    assert processes("86399.125") == []


@pytest.mark.long
def test_many_files_leave_no_process_behind(tmp_path):
    for i in range(40):
        write(tmp_path, RIGHT if i % 8 else bad("Exits", "os._exit(1)"), f"layer_{i:02}.py")
    shown = document(".", "-j", "2", cwd=tmp_path)
    assert [file["file"] for file in shown["files"]] == [f"layer_{i:02}.py" for i in range(40)]
    assert all(words({"files": [file]}, "Square") == ["exact"] for file in shown["files"])
    assert processes(str(tmp_path)) == []


def obey_interrupts():
    """Tests that run in the background ignore SIGINT, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_ends_everything_with_130(tmp_path):
    past_the_guard = "import ctypes; ctypes.CDLL(None).system(b'sleep 86399.25 &')"
    write(tmp_path, bad("Hangs", past_the_guard, "while True: pass"))
    command = [sys.executable, "-m", "dout", "check", "mine.py", "--timeout", "60"]
    options = {"cwd": tmp_path, "env": PLAIN, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, preexec_fn=obey_interrupts, **options) as process:
        until = time.monotonic() + 30
        while not processes("86399.25") and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.strip() == "dout: interrupted: mine.py was not checked to the end"
    assert processes("86399.25") == []


def interrupted(folder, number, *options):
    """What a check of three files says of which the second hangs, and that is ended by a signal."""
    hangs = "import ctypes\nctypes.CDLL(None).system(b'sleep 86398.25 &')\nwhile True: pass\n"
    for name, text in (("a.py", RIGHT + TRIPLE), ("b.py", RIGHT + hangs), ("c.py", RIGHT)):
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "dout", "check", ".", "-j", "1", "--timeout", "60", *options]
    how = {"cwd": folder, "env": PLAIN, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, preexec_fn=obey_interrupts, **how) as process:
        until = time.monotonic() + 60
        while not processes("86398.25") and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(number)
        out, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    return out, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_found_before_an_interrupt_is_told(number, tmp_path):
    out, said = interrupted(tmp_path, number)
    assert "2 layers: 2 gradients exact" in out
    assert "without a layer" not in out
    assert "could not be run" not in out
    assert said == "dout: interrupted: b.py, c.py were not checked to the end\n"
    assert words(json.loads(interrupted(tmp_path, number, "--json")[0]), "Square") == ["exact"]


def test_an_interrupted_check_writes_no_baseline(tmp_path):
    (tmp_path / "known.json").write_text('{"kept": 1}')
    interrupted(tmp_path, signal.SIGINT, "--baseline", "known.json", "--write-baseline", "--force")
    assert (tmp_path / "known.json").read_text() == '{"kept": 1}'


@pytest.mark.long
def test_a_file_that_hangs_while_it_is_loaded_cannot_be_run(tmp_path):
    write(tmp_path, RIGHT + "while True:\n    pass\n")
    command = dout("mine.py", "--timeout", "1", cwd=tmp_path)
    assert command.returncode == 2
    assert command.stderr == "dout: mine.py did not end within 1 s, while it was loaded; it was stopped\n"


@pytest.mark.long
def test_a_process_that_is_started_anew_says_the_same_as_one_that_is_forked(tmp_path):
    path = write(tmp_path, bad("Exits", "os._exit(1)"))
    job = Job(str(path), "file")
    forked, started = (
        [c.report for c in run([job], GivenArguments(), timeout=30, method=m)[0].layers] for m in ("fork", "spawn")
    )
    assert [repr(report) for report in forked] == [repr(report) for report in started]
    assert len(forked) == 3


def test_every_file_begins_with_the_same_state(tmp_path):
    write(
        tmp_path,
        f"import numpy as np\nnp.exp = None\nnp.marker = 1\nimport os\nos.environ['MARKER'] = '1'\n{RIGHT}",
        "a.py",
    )
    write(
        tmp_path,
        f"import numpy as np, os\nassert np.exp and not hasattr(np, 'marker') and 'MARKER' not in os.environ\n{RIGHT}",
        "b.py",
    )
    assert document("a.py", "b.py", "-j", "1", cwd=tmp_path)["problems"] == []


def test_imports_may_count_from_a_folder_above(tmp_path):
    """As of a package without __init__.py, and of a script that is started elsewhere."""
    above = tmp_path / "net" / "layers"
    above.mkdir(parents=True)
    (tmp_path / "net" / "base.py").write_text("class Base:\n    pass\n")
    body = "\n\nclass {}(Base):\n    def forward(self, x):\n        return x + 1\n\n    def backward(self, dout):\n        return dout * 1\n"  # noqa: E501
    (above / "near.py").write_text("from ..base import Base" + body.format("Near"))
    (above / "far.py").write_text("from net.base import Base" + body.format("Far"))
    read = document("net", cwd=tmp_path)
    assert read["problems"] == []
    assert sorted(layer["layer"] for file in read["files"] for layer in file["layers"]) == ["Far", "Near"]


@pytest.mark.long
def test_the_layers_of_one_file_are_shared_by_two_processes(tmp_path):
    slow = "\n\n".join(
        f"class Slow{i}:\n    def __init__(self):\n        time.sleep(0.005)\n        self.where = str(os.getpid())\n"
        "    def forward(self, x):\n        return x * 1\n    def backward(self, dout):\n        return self.where\n"
        for i in range(4)
    )
    path = write(tmp_path, "import os, time\n\n\n" + slow.replace("return self.where", "raise ValueError(self.where)"))
    shown = {j: layers(document(path, "-j", j)) for j in ("1", "2")}
    assert list(shown["1"]) == list(shown["2"]) == [f"Slow{i}" for i in range(4)]
    told = {j: {f["message"] for item in found.values() for f in item["findings"]} for j, found in shown.items()}
    process = re.compile(r"ValueError: (\d+)")
    seen = {j: {n for text in texts for n in process.findall(text)} for j, texts in told.items()}
    assert (len(seen["1"]), len(seen["2"])) == (1, 2)
