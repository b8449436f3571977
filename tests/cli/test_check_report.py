"""A report in every form: text, colours, HTML, JSON, SARIF, GitHub's annotations; nothing of the user's is obeyed."""

import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from check_commands import PLAIN, WRONG, dout, write
from contract_findings import finding

import dout as package
from dout.check.project.discover import Job
from dout.check.project.settings import Settings
from dout.check.report.ci_formats import github_line
from dout.check.report.fix import Fix
from dout.check.report.machine_formats import to_json, to_sarif
from dout.check.report.report import Report, summary
from dout.check.report.verdicts import Verdict
from dout.check.rules import rules
from dout.check.worker.jobs import Checked, JobOutcome
from dout.cli.output.check_output import Result, tell_result
from dout.judge.outcomes import Word

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e\n::error::%"


def example(**changes):
    wrong = finding(
        "D101",
        "the gradient of W is wrong",
        layer="Affine",
        argument="W",
        index=(0, 1),
        expected=2.0,
        got=-math.inf,
        cause="transpose",
        because="rows and columns are mixed up",
        fix=Fix("a.py", "dW = dout.T @ x\n", "dW = x.T @ dout\n"),
        inputs={"x": np.array([[1.0, math.nan]])},
        first_wrong="dW",
        file="mine.py",
        line=7,
    )
    given = {
        "layer": "Affine",
        "verdicts": (
            Verdict("x", Word.EXACT),
            Verdict("W", Word.REFUTED),
            Verdict("bias", Word.INCONCLUSIVE, because="a branch"),
            Verdict("y", Word.SUBGRADIENT),
        ),
        "findings": (finding("D208", "used twice", layer="Affine"), wrong),
        "branches": ("`x <= 3` at mine.py:3 was always True",),
        "branching": True,
        "file": "mine.py",
        "line": 5,
    }
    return Report(**{**given, **changes})


def test_a_person_reads_the_layer_verdicts_findings_by_severity_and_what_is_not_covered():
    assert str(example()).splitlines() == [
        "Affine  mine.py:5",
        "  ✓ x     exact, on the branches covered",
        "  ✗ W     wrong",
        "  ? bias  inconclusive: a branch",
        "  ~ y     a subgradient at a kink, on the branches covered",
        "  ✗ D101 error mine.py:7: the gradient of W is wrong",
        "    expected at [0, 1] 2, got -inf",
        "    because rows and columns are mixed up",
        "    the first wrong value is dW",
        "    fails on x = [[1.0, nan]]",
        "      -dW = dout.T @ x",
        "      +dW = x.T @ dout",
        "  · D208 note: used twice",
        "  ? not covered: `x <= 3` at mine.py:3 was always True",
    ]


def test_of_whole_arrays_the_first_element_that_differs_is_shown():
    right = np.arange(30.0).reshape(5, 6)
    wrong = right.copy()
    wrong[2, 1:] = 0
    told = str(example(findings=(finding("D101", "it is wrong", expected=right.tolist(), got=wrong),)))
    assert "    expected at [2, 1] 13, got 0\n" in told + "\n"
    other = str(example(findings=(finding("D102", "another shape", expected=[1.0, 2.0], got=[1.0]),)))
    assert "    expected [1.0, 2.0], got [1.0]" in other


def test_a_layer_without_gradients_says_so():
    assert "there is no gradient to judge" in str(Report("Nothing"))


def test_long_lines_are_broken_and_code_is_not():
    fix = "+" + "x " * 100
    lines = str(example(findings=(finding("D101", "word " * 60, fix=fix, file="mine.py", line=1),))).splitlines()
    assert max(len(line) for line in lines if not line.startswith("      +")) <= 100
    assert f"      {fix.rstrip()}" in lines


def test_rich_shows_the_same_text_with_the_fix_in_colours():
    text = example().__rich__()
    assert text.plain.splitlines()[0] == "Affine  mine.py:5"
    styled = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert styled["-dW = dout.T @ x"] == "red"
    assert styled["+dW = x.T @ dout"] == "green"


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def hostile():
    texts = dict.fromkeys(("layer", "argument", "got"), HOSTILE)
    more = {"because": HOSTILE + "!", "fix": "+" + HOSTILE, "first_wrong": HOSTILE + "?", "inputs": {HOSTILE: HOSTILE}}
    wrong = finding("D101", HOSTILE, **texts, **more, file=f"a,b:{HOSTILE}.py", line=3)
    return Report(
        HOSTILE, (Verdict(HOSTILE, Word.REFUTED, because=HOSTILE),), (wrong,), (HOSTILE,), file=HOSTILE, line=1
    )


def test_html_is_escaped_and_complete():
    for report in (example(), hostile()):
        parser = Tags()
        parser.feed(report._repr_html_())
        assert parser.tags == {"pre", "span"}
        assert [line.rstrip() for line in parser.text.splitlines()] == str(report).splitlines()


def test_no_control_character_of_the_users_comes_through():
    for text in (
        str(hostile()),
        hostile().__rich__().plain,
        hostile()._repr_html_(),
        github_line(hostile().findings[0]),
    ):
        assert all(c.isprintable() or c == "\n" for c in text)
    assert len(github_line(hostile().findings[0]).splitlines()) == 1


def test_json_has_every_key_and_spells_out_what_json_has_no_number_for():
    shown = json.loads(json.dumps(example().to_json(), allow_nan=False))
    what = ["layer", "ok", "verdicts", "findings", "without_gradient", "branches_not_covered"]
    assert list(shown) == [*what, "file", "line", "seconds"]
    wrong = shown["findings"][1]
    assert (wrong["got"], wrong["inputs"], wrong["index"]) == ("-inf", {"x": [[1.0, "nan"]]}, [0, 1])
    assert set(shown["findings"][0]) == set(wrong)


def test_json_of_any_value_is_plain():
    values = (
        np.float32(0.5),
        np.int64(3),
        np.array([1 + 2j]),
        np.zeros((2000,)),
        object,
        (1, [np.bool_(True)]),
        10**400,
    )
    for value in values:
        json.dumps(to_json(example(findings=(finding("D101", "m", expected=value),))), allow_nan=False)


def test_the_summary_counts():
    gradients = "1 gradient exact, 1 right up to a choice at a kink, 1 inconclusive, 1 wrong"
    assert summary([example()], seconds=0.234) == f"1 layer: {gradients}, 1 error, 1 note, in 0.2 s"
    assert summary([], seconds=0.123) == "0 layers: nothing was checked, in 0.1 s"
    assert summary([Report("A")]) == "1 layer: no gradient was judged, in 0.0 s"
    assert summary([], known=2, problems=1) == "0 layers: 2 known, 1 target could not be run, in 0.0 s"


def test_sarif_has_a_rule_with_help_for_every_code_and_places_and_fingerprints_that_outlive_moved_lines():
    log = to_sarif([example()], rules(), version="1")
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(rules())
    assert all("## How to mend it" in rule["help"]["markdown"] for rule in run["tool"]["driver"]["rules"])
    note, wrong = run["results"]
    assert (wrong["ruleId"], wrong["level"], note["level"]) == ("D101", "error", "note")
    assert run["tool"]["driver"]["rules"][wrong["ruleIndex"]]["id"] == "D101"
    place = wrong["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "mine.py", "uriBaseId": "ROOT"}, "region": {"startLine": 7}}
    assert note["locations"][0]["physicalLocation"]["region"] == {"startLine": 5}  # of its layer
    moved = example(findings=(finding("D101", "other words", layer="Affine", argument="W", file="mine.py", line=99),))
    (again,) = to_sarif([moved], rules(), version="1")["runs"][0]["results"]
    assert again["partialFingerprints"] == wrong["partialFingerprints"]
    assert note["partialFingerprints"] != wrong["partialFingerprints"]


def test_sarif_of_the_command_says_what_could_not_be_run(tmp_path):
    write(tmp_path, WRONG, "100% a,b.py")
    run = dout("100% a,b.py", "missing.py", "--sarif", cwd=tmp_path)
    log = json.loads(run.stdout)["runs"][0]
    assert run.returncode == 2
    assert log["invocations"][0]["executionSuccessful"] is False
    assert "missing.py" in log["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in log["results"]}
    assert uris == {"100%25%20a%2Cb.py"}


@pytest.mark.long
def test_annotations_for_github_on_request_and_on_its_runners(tmp_path):
    write(tmp_path, WRONG, "100% a,b.py")
    line = r"^::error file=100%25 a%2Cb\.py,line=\d+,title=D101::the gradient of x"
    asked = dout("100% a,b.py", "--github", cwd=tmp_path)
    assert re.search(line, asked.stdout, re.MULTILINE)
    assert all(text.startswith("::") for text in asked.stdout.splitlines())
    runner = {**PLAIN, "GITHUB_ACTIONS": "true"}
    there = dout("100% a,b.py", cwd=tmp_path, env=runner)
    assert re.search(line, there.stdout, re.MULTILINE)
    assert "1 layer: " in there.stdout
    lines = there.stdout.splitlines()
    word = lines[0].removeprefix("::stop-commands::")  # what a person reads is not obeyed
    assert len(word) == 32
    assert not re.search(line, "\n".join(lines[: lines.index(f"::{word}::")]), re.MULTILINE)
    as_json = dout("100% a,b.py", "--json", cwd=tmp_path, env=runner)
    assert json.loads(as_json.stdout)["summary"]["errors"] == 1
    assert re.search(line, as_json.stderr, re.MULTILINE)


HOSTILE_FILE = WRONG + (
    "Square.__name__ = Square.__qualname__ = '<script>\\x1b[31m\\n::error::'\n"
    "class Raises:\n    def forward(self, x):\n        return x * 1\n"
    "    def backward(self, dout):\n        raise ValueError('\\x1b]0;title\\x07\\n::error::<script>' + 'x' * 100000)\n"
)


def test_hostile_names_and_messages_are_safe_in_every_format(tmp_path):
    write(tmp_path, HOSTILE_FILE)
    for options in ([], ["--json"], ["--sarif"], ["--github"]):
        run = dout("mine.py", *options, cwd=tmp_path)
        assert run.returncode == 1
        assert all(c.isprintable() or c == "\n" for c in run.stdout + run.stderr)
        assert "x" * 10_000 not in run.stdout
        if options == ["--github"]:
            assert all(re.match(r"::(error|warning|notice) file=", text) for text in run.stdout.splitlines())


def test_the_verb_and_the_class_are_public_names_also_once_the_folder_is_loaded():
    assert package.Report is Report
    assert isinstance(package.check(package.layers.Sigmoid, np.zeros(2)), Report)
    assert {"check", "Report"} <= set(dir(package))


def test_a_long_report_has_what_is_wrong_in_full_and_all_else_by_code_and_by_file(capsys):
    slow = finding("D401", "NumPy warns of overflow", severity="warning", layer="Warned", file="b.py", line=3)
    right = Report("Right", verdicts=(Verdict("x", Word.EXACT),), file="a.py", line=1)
    warned = [Report(f"Warned{n}", verdicts=right.verdicts, findings=(slow,), file="b.py", line=n) for n in range(40)]
    layers = {"mine.py": [example()], "a.py": [right] * 200, "b.py": warned}
    outcomes = [JobOutcome(Job(file, "file"), list(map(Checked, reports))) for file, reports in layers.items()]

    def printed(**how):
        tell_result(Result(Settings(), outcomes=outcomes, **how))
        return capsys.readouterr().out

    brief = printed(folded=True)
    assert len(brief.splitlines()) <= 60
    for part in (
        "✗ D101 error mine.py:7: the gradient of W is wrong",
        "+dW = x.T @ dout",
        "✓ 200 layers right: a.py (200)",
        "! D401 overflow: Warned0, Warned1, Warned2, Warned3, Warned4 and 35 more",
        "with --notes: every layer, 1 note",
    ):
        assert part in brief  # fmt: skip
    assert len(printed(folded=True, notes=True).splitlines()) > 240
