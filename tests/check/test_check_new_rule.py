"""The rule that docs/architecture.md shows, with a page: then codes, checks, the help and SARIF know the finding."""

import importlib
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import dout
from dout.check.project.settings import codes
from dout.check.report import finding_pages
from dout.check.report.machine_formats import to_sarif
from dout.cli import commands

HOUSE = Path(__file__).parents[2] / "docs" / "architecture.md"
(RULE,) = re.findall(
    r"```python\n(.*?)```", HOUSE.read_text("utf-8").partition("### Add a finding")[2].partition("### ")[0], re.DOTALL
)


class Lazy:
    def forward(self, x):
        self.y = 2 * x
        return self.y

    def backward(self, dout):
        return self.y


class Busy(Lazy):
    def backward(self, dout):
        return 2 * dout


@pytest.fixture
def rules(tmp_path, monkeypatch):
    """The package of all rules, with one more in a folder of its own."""
    package = importlib.import_module("dout.check.rules")
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "__init__.py").write_text("")
    (tmp_path / "extra" / "d299_returns_output.py").write_text(RULE)
    (tmp_path / "D299.md").write_text("# D299: backward returns the output\n")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setattr(finding_pages, "FOLDERS", (*finding_pages.FOLDERS, tmp_path))
    package.modules.cache_clear()
    yield package
    package.modules.cache_clear()


def test_a_new_rule_is_checked(rules):
    assert "D299" in {finding.code for finding in dout.check(Lazy()).findings}
    assert "D299" not in {finding.code for finding in dout.check(Busy()).findings}


def test_a_new_rule_is_among_the_codes_in_their_order(rules):
    assert list(rules.rules()) == sorted(rules.rules()) == list(finding_pages.codes())
    assert codes("D299", "--select") == ("D299",)


def test_a_new_rule_is_explained(rules):
    assert CliRunner().invoke(commands, ["check", "--explain", "d299"]).output.startswith("# D299: backward returns")


def test_a_new_rule_is_among_those_of_sarif(rules):
    (run,) = to_sarif([dout.check(Lazy())], rules.rules(), version="1")["runs"]
    told = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert told["D299"]["shortDescription"] == {"text": "backward returns the output"}
    assert "D299" in {result["ruleId"] for result in run["results"]}
