"""Commands on code that was written for an older NumPy."""

import numpy as np
import pytest
from click.testing import CliRunner

from dout.cli import commands

SOURCE = """
import numpy as np


class Relu:
    def forward(self, x):
        self.mask = (x > 0).astype(np.float)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
"""


@pytest.mark.parametrize("command", ["explain", "derive", "show", "bench --sizes 1k"])
def test_a_removed_name_is_answered_and_told_with_its_line(command, tmp_path, monkeypatch):
    (tmp_path / "old.py").write_text(SOURCE, "utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(commands, [*command.split(), "old.py:Relu"])
    assert result.exit_code == 0, result.output
    assert "old.py:7 uses np.float, which NumPy has removed: write float" in result.stderr
    assert not hasattr(np, "float")
