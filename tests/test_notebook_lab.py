"""JupyterLab in a browser: cells run as a user runs them, and what dout shows can be read there."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec

import nbformat
import pytest

pytestmark = pytest.mark.long
TOKEN = "a-token-of-this-test"
CELLS = (
    "%load_ext dout",
    "%%check\nclass Twice:\n    def forward(self, x):\n        return 2 * x\n\n"
    "    def backward(self, dout):\n        dout *= 3\n        return dout",
    "%%explain\nclass Square:\n    def forward(self, x):\n        return x * x",
    "import dout\ndout.explain(int)",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a notebook in a JupyterLab of its own."""
    if find_spec("jupyterlab") is None:
        pytest.fail("no JupyterLab is installed") if os.environ.get("CI") else pytest.skip("no JupyterLab is installed")
    folder = tmp_path_factory.mktemp("lab")
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "n.ipynb")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    with subprocess.Popen(command, env={**os.environ, **home}, stderr=subprocess.DEVNULL) as server:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={TOKEN}") as answer:
                    assert json.load(answer)["version"]
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/doc/tree/n.ipynb?token={TOKEN}"
        server.terminate()


def test_a_notebook_shows_reports_derivations_and_errors(browser, address):
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    page.click(".jp-Notebook .jp-Cell >> nth=0")
    for _ in CELLS:
        page.keyboard.press("Shift+Enter")
    page.wait_for_selector(".jp-Cell:nth-child(4) .jp-OutputArea-output, [data-mime-type*=error]")
    report = page.inner_text(".jp-OutputArea-output:has-text('D101')")
    assert "Twice" in report
    assert "D201" in report
    derivation = page.frame_locator(".jp-OutputArea-output iframe >> nth=0")
    assert "backward, from the output to the input" in derivation.locator("body").inner_text()
    error = page.inner_text("[data-mime-type='application/vnd.jupyter.stderr']")
    assert "Error: " in error
    assert "site-packages" not in error
    assert "src/dout" not in error
    context.close()
