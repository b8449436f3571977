"""`dout` as a process of its own, with its own exit code and output, forked from one that has loaded dout.

To load dout takes four fifths of what a command on a small file takes, and is the same for every command. A command
whose environment says how Python starts is started anew.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parents[2]
_AT_START = ("PYTHON", "LD_", "OPENBLAS", "OMP_", "NUMBA", "NPY_", "LANG", "LC_", "PATH")  # names begin so
_LOADED = (  # with all that they load
    "dout.cli", "dout.check.worker.runner", "dout.check.worker.program_phase", "dout.cli.output.progress",
    "dout.check.repair.suspected_cause", "dout.check.repair.shrink", "numpy.random", "dout.trace", "dout.draw",
)  # fmt: skip
_ANSWER = struct.Struct("i")
_turn = threading.Lock()


def run_dout(
    *arguments: object, cwd: Path | str | None = None, env: Mapping[str, str] | None = None, timeout: float = 120,
    text: bool = True,
) -> subprocess.CompletedProcess[Any]:  # fmt: skip
    """Run `dout ARGUMENTS`, as `subprocess.run` runs `python -m dout ARGUMENTS` and captures its output."""
    words, folder, env = [*map(str, arguments)], str(cwd or Path.cwd()), dict(os.environ if env is None else env)
    command = [sys.executable, "-m", "dout", *words]
    if _at_start(env) != _BEGUN or not hasattr(os, "fork") or not _turn.acquire(blocking=False):
        encoding = "utf-8" if text else None
        return subprocess.run(
            command, cwd=folder, env=env, timeout=timeout, check=False, encoding=encoding, capture_output=True
        )
    try:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            code = _forked({"words": words, "folder": folder, "env": env}, [out.fileno(), err.fileno()], timeout)
            told: list[Any] = []
            for file in (out, err):
                file.seek(0)
                read = file.read()
                told.append(read.decode("utf-8").replace("\r\n", "\n") if text else read)
    finally:
        _turn.release()
    if code is None:
        raise subprocess.TimeoutExpired(command, timeout, *told)
    return subprocess.CompletedProcess(command, code, *told)


def _at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_AT_START)}


_BEGUN = _at_start(os.environ)


def _forked(request: Mapping[str, object], files: list[int], timeout: float) -> int | None:
    """The exit code of a command that writes into two files, stdout and stderr; None where it takes too long."""
    server = _server()
    text = json.dumps(request).encode("utf-8", "surrogateescape")
    server.settimeout(None)
    socket.send_fds(server, [_ANSWER.pack(len(text))], files)
    server.sendall(text)
    (process,) = _ANSWER.unpack(server.recv(_ANSWER.size))
    server.settimeout(timeout)
    try:
        return _ANSWER.unpack(server.recv(_ANSWER.size))[0]
    except TimeoutError:
        os.kill(process, signal.SIGKILL)
        server.settimeout(None)
        server.recv(_ANSWER.size)
        return None


@cache
def _server() -> socket.socket:
    """What the process that has loaded dout is asked by. It ends with this one."""
    ours, its = socket.socketpair()
    command = [sys.executable, str(Path(__file__).resolve()), str(its.fileno())]
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # as `dout check` has it: a thread does not live in a fork
    process = subprocess.Popen(command, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL, cwd=HOME, env=env)
    its.close()
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(asked: socket.socket) -> list[str]:
    """Answer requests until nobody is left who asks. In the process of a command: return its words."""
    while True:
        size, files, _, _ = socket.recv_fds(asked, _ANSWER.size, 2)
        if not size:
            os._exit(0)
        length = _ANSWER.unpack(size)[0]
        request = json.loads(asked.recv(length, socket.MSG_WAITALL).decode("utf-8", "surrogateescape"))
        from dout.check.worker import audit_guard, jobs

        process = os.fork()
        if not process:
            asked.close()
            for number, file in zip((1, 2), files, strict=True):
                os.dup2(file, number)
                os.close(file)
            os.chdir(request["folder"])
            os.environ.clear()
            os.environ.update(request["env"])
            sys.path[0] = audit_guard.HERE = jobs.HERE = request["folder"]  # which they look up when they are loaded
            return request["words"]
        for file in files:
            os.close(file)
        asked.sendall(_ANSWER.pack(process))
        asked.sendall(_ANSWER.pack(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])))


if __name__ == "__main__":
    for name in _LOADED:
        importlib.import_module(name)
    gc.freeze()
    sys.argv[1:] = _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("dout", run_name="__main__", alter_sys=True)
