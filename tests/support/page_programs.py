"""Runs the page's scripts outside a page, in Node: the system's, or the one that Playwright brings."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from typing import Any

import pytest

from dout.draw.page import source


@cache
def node() -> str:
    found = shutil.which("node")
    if found is None:
        driver = pytest.importorskip("playwright._impl._driver")
        found = str(driver.compute_driver_executable()[0])
    return found


def run(scripts: tuple[str, ...], body: str, given: Any) -> Any:
    """What the body of a function of `given` returns, with these scripts before it."""
    program = "\n".join(
        [
            *(source(f"{name}.js") for name in scripts),
            "const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));",
            f"const answer = (() => {{ {body} }})();",
            "process.stdout.write(JSON.stringify(answer));",
        ]
    )
    done = subprocess.run([node(), "-e", program], input=json.dumps(given), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
