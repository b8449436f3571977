"""`dout lsp` as an editor drives it: findings on open and save, quick fixes, derivations on hover."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Empty, Queue

import pytest
from check_commands import PLAIN, RIGHT, WRONG, write

from dout.check.worker.kept_answers import OFF

pytest.importorskip("pygls")

TEN = "\n".join(RIGHT.replace("Square", f"Square{n}") for n in range(10))


class Editor:
    """An editor with one file open; `patience` are the seconds that it waits for an answer."""

    def __init__(self, path, environment, patience=60):
        self.path, self.uri, self.patience, self.version, self.number = path, path.as_uri(), patience, 1, 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dout", "lsp"], cwd=path.parent, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.heard = Queue()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        self.capabilities = self.ask("initialize", processId=os.getpid(), rootUri=path.parent.as_uri(), capabilities={})
        self.tell("initialized")
        self.tell("textDocument/didOpen", textDocument=self._item(languageId="python", text=path.read_text()))

    def _item(self, **more):
        return {"uri": self.uri, "version": self.version, **more}

    def _listen(self):
        while header := self.process.stdout.readline():
            length = int(header.split(b":")[1])
            while self.process.stdout.readline().strip():
                pass
            self.heard.put(json.loads(self.process.stdout.read(length)))

    def _send(self, **message):
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
        self.process.stdin.flush()

    def tell(self, method, **params):
        self._send(method=method, params=params)

    def ask(self, method, **params):
        self.number += 1
        self._send(id=self.number, method=method, params=params)
        return self._next(lambda m: m.get("id") == self.number)["result"]

    def _next(self, is_wanted):
        until = time.monotonic() + self.patience
        while True:
            try:
                message = self.heard.get(timeout=max(until - time.monotonic(), 0))
            except Empty:
                pytest.fail("the server said nothing")
            if is_wanted(message):
                return message

    def found(self):
        """The next findings that are shown."""
        shown = self._next(lambda m: m.get("method") == "textDocument/publishDiagnostics")["params"]
        assert shown["uri"] == self.uri
        return shown["diagnostics"]

    def edit(self, text, save=True):
        self.version += 1
        self.tell("textDocument/didChange", textDocument=self._item(), contentChanges=[{"text": text}])
        if save:
            self.path.write_text(text)
            self.tell("textDocument/didSave", textDocument={"uri": self.uri})

    def fixes(self, diagnostic):
        context = {"diagnostics": [diagnostic]}
        return self.ask(
            "textDocument/codeAction", textDocument=self._item(), range=diagnostic["range"], context=context
        )

    def hover(self, line, character):
        place = {"line": line, "character": character}
        return self.ask("textDocument/hover", textDocument=self._item(), position=place)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.listener.join(10)
        self.process.stdin.close()
        self.process.stdout.close()

    def close(self):
        self.ask("shutdown")
        self.tell("exit")
        assert self.process.wait(20) == 0


def edited(text, edits):
    lines = text.splitlines(keepends=True)
    for edit in sorted(
        edits, key=lambda e: (e["range"]["start"]["line"], e["range"]["start"]["character"]), reverse=True
    ):
        start, end = edit["range"]["start"], edit["range"]["end"]
        whole = "".join(lines)
        at = [sum(map(len, lines[: p["line"]])) + p["character"] for p in (start, end)]
        lines = (whole[: at[0]] + edit["newText"] + whole[at[1] :]).splitlines(keepends=True)
    return "".join(lines)


@pytest.fixture
def environment(tmp_path):
    kept = {key: value for key, value in PLAIN.items() if key != OFF}
    (tmp_path / "caches").mkdir()
    return kept | {"DOUT_CACHE_DIR": str(tmp_path / "cache"), "XDG_CACHE_HOME": str(tmp_path / "caches")}


@pytest.fixture
def edit(tmp_path, environment):
    """Open an editor on a text."""
    opened = []

    def make(text):
        opened.append(Editor(write(tmp_path / "code", text), environment))
        return opened[-1]

    yield make
    for editor in opened:
        editor.end()


def test_an_editor_sees_findings_takes_a_fix_and_reads_a_derivation(edit):
    editor = edit(WRONG)
    error = next(d for d in editor.found() if d["severity"] == 1)
    assert (error["code"], error["source"], error["range"]["start"]["line"]) == ("D101", "dout", 7)
    (fix,) = editor.fixes(error)
    assert (fix["kind"], fix["isPreferred"]) == ("quickfix", True)
    mended = edited(WRONG, fix["edit"]["changes"][editor.uri])
    assert mended == RIGHT
    editor.edit(mended)
    assert [d for d in editor.found() if d["severity"] == 1] == []
    text = editor.hover(6, 10)["contents"]
    assert text["kind"] == "markdown"
    assert "2" in text["value"]
    assert text["value"].startswith("```text\n")
    assert editor.hover(2, 10) is None
    editor.close()


def test_fixes_are_for_the_text_that_was_checked(edit):
    editor = edit(WRONG)
    error = next(d for d in editor.found() if d["severity"] == 1)
    editor.edit("# a line more\n" + WRONG, save=False)
    assert editor.fixes(error) == []
    editor.edit(WRONG, save=False)
    assert len(editor.fixes(error)) == 1
    editor.close()


def test_columns_are_those_of_the_editor(edit):
    text = "class Square:\n    def forward(self, x):\n        self.x = x\n        return x * x\n\n"
    text += "    def backward(self, dout):\n        '𝑥𝑥'; return dout * 3 * self.x\n"
    editor = edit(text)
    error = next(d for d in editor.found() if d["severity"] == 1)
    (fix,) = editor.fixes(error)
    (change,) = fix["edit"]["changes"][editor.uri]
    assert change["range"]["start"]["character"] == len("        '𝑥𝑥'; return dout * ".encode("utf-16-le")) // 2
    editor.close()


@pytest.mark.long
def test_a_file_that_is_no_python_or_whose_code_hangs_shows_nothing_and_the_next_save_is_checked(edit):
    editor = edit("class Square\n")
    assert editor.found() == []
    editor.edit(RIGHT.replace("return x * x", "while True: pass"))
    time.sleep(1)
    editor.edit(WRONG)
    assert [d["code"] for d in editor.found() if d["severity"] == 1] == ["D101"]
    editor.close()


def test_a_file_without_a_layer_is_not_run(edit, tmp_path):
    mark = tmp_path / "caches" / "ran"  # where a check may write
    writes = f"import pathlib\npathlib.Path({str(mark)!r}).write_text('x')\n"
    editor = edit(writes)
    assert editor.found() == []
    assert not mark.exists()
    editor.edit(writes + RIGHT)
    editor.found()
    assert mark.exists()
    editor.close()


def test_what_user_code_prints_does_not_reach_the_editor(edit):
    editor = edit(
        "import os\nprint('x'); os.system('echo x')\n" + WRONG.replace("return x * x", "print('x'); return x * x")
    )
    assert any(d["severity"] == 1 for d in editor.found())
    assert editor.hover(8, 10) is not None
    editor.close()


def test_a_derivation_shows_text_of_the_users_as_text():
    from dout.cli.session.editor_server import fenced

    assert fenced("a ``` [x](command:run) <b>\x1b[31m") == "````text\na ``` [x](command:run) <b>\\x1b[31m\n````"
    assert fenced(" \n") == ""


def test_without_pygls_a_line_says_what_to_install(tmp_path):
    write(tmp_path, "raise ImportError", "pygls.py").unlink()
    blocked = "import sys; sys.modules['pygls'] = None; sys.argv[1:] = ['lsp']; import dout.__main__"
    run = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (2, "dout: dout lsp needs pygls: pip install 'dout[lsp]'\n")


def memory(process):
    """The resident memory of a process and of all that it has started, in MB."""
    parents, sizes = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            parents[path.name], sizes[path.name] = fields[1], int(fields[21]) * 4096 / 1e6
        except OSError:
            continue
    known = {str(process)}
    while more := {one for one, parent in parents.items() if parent in known} - known:
        known |= more
    return sum(sizes.get(one, 0) for one in known)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_thousand_edits_take_no_more_memory(edit):
    editor = edit(RIGHT)
    editor.found()
    sizes = []
    for number in range(1_000):
        editor.edit((RIGHT if number % 10 else WRONG) + f"# {number}\n" * (number % 7))
        found = editor.found()
        if any(d["severity"] == 1 for d in found):
            editor.fixes(found[0])
            editor.hover(6, 10)
        if number % 100 == 99:
            time.sleep(0.5)
            sizes.append(memory(editor.process.pid))
    assert max(sizes[1:]) < 1.1 * sizes[0], sizes
    editor.close()
