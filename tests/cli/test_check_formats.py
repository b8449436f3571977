"""What `dout check` prints for machines keeps to their formats: SARIF's schema and code scanning, GitLab, JUnit."""

import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from check_commands import PLAIN, RIGHT, WRITES, WRONG, dout, write

from dout.check.report.ci_formats import to_gitlab, to_junit
from dout.check.report.fix import Fix
from dout.check.report.machine_formats import to_sarif
from dout.check.report.report import Report
from dout.check.report.verdicts import Finding
from dout.check.rules import rules

SCHEMA = json.loads((Path(__file__).parents[1] / "support" / "sarif" / "sarif-schema-2.1.0.json").read_text())
LAYERS = RIGHT + WRONG.replace("Square", "Wrong") + WRITES.format("", "")


def items(value, path=""):
    """Every value in a document with its place."""
    yield path, value
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from items(item, f"{path}/{key}")


def check_sarif(log):
    """Hold a log against the schema, and against what code scanning asks for beyond it."""
    jsonschema.Draft4Validator(SCHEMA).validate(log)
    (run,) = log["runs"]
    empty = [path for path, value in items(log) if value in ([], {}) and path != "/runs/0/results"]
    lines = [value for path, value in items(log) if path.endswith(("Line", "Column"))]
    marks = [result["partialFingerprints"]["dout/v1"] for result in run["results"]]
    places = [location for result in run["results"] for location in result["locations"]]
    uris = [value for path, value in items(run["results"]) if path.endswith("/uri")]
    assert (empty, len(set(marks))) == ([], len(marks))
    assert all(line >= 1 for line in lines)
    assert len(places) == len(run["results"])
    assert all(place["physicalLocation"]["region"]["startLine"] for place in places)
    assert not [uri for uri in uris if uri.startswith("/") or ":" in uri]
    return {(result["properties"]["layer"], result["ruleId"]): result for result in run["results"]}


def sarif(folder, *options):
    return check_sarif(json.loads(dout(".", *options, cwd=folder).stdout))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sarif")
    write(folder, LAYERS, "a b/mine.py")
    return folder, sarif(folder, "--output-format", "sarif")


def test_sarif_is_valid_and_fit_for_code_scanning(found):
    assert {("Wrong", "D101"), ("Relu", "D201")} <= set(found[1])


@pytest.mark.long
def test_the_fixes_in_sarif_make_the_file_that_fix_writes(found):
    folder, results = found
    lines = (folder / "a b/mine.py").read_text().splitlines(keepends=True)
    for result in (results["Relu", "D201"], results["Wrong", "D101"]):
        (fix,) = result["fixes"]
        (change,) = fix["artifactChanges"]
        assert change["artifactLocation"] == {"uri": "a%20b/mine.py", "uriBaseId": "ROOT"}
        for replaced in reversed(change["replacements"]):
            region = replaced["deletedRegion"]
            first, last = region["startLine"] - 1, region["endLine"] - 1
            head, tail = lines[first][: region["startColumn"] - 1], lines[last][region["endColumn"] - 1 :]
            lines[first : last + 1] = [head + replaced.get("insertedContent", {"text": ""})["text"] + tail]
    assert dout(".", "--fix", cwd=folder).returncode == 0
    assert (folder / "a b/mine.py").read_text() == "".join(lines)


@pytest.mark.long
def test_fingerprints_stay_when_lines_are_added_above(tmp_path):
    marks = []
    for above in ("", "", "# one\n\n\nimport math\n"):
        write(tmp_path, above + WRONG)
        marks.append([result["partialFingerprints"] for result in sarif(tmp_path, "--sarif").values()])
    assert marks[0] == marks[1] == marks[2]


def test_a_finding_without_a_line_and_one_after_an_emoji_are_valid_too():
    fix = Fix("mine.py", "x = '🙂'; y = 1\n", "x = '🙂'; y = 2\n", "it changes what forward returns")
    findings = (
        Finding("D002", "note", "m", layer="A", file="mine.py"),
        Finding("D101", "error", "m", layer="A", file="mine.py", line=0, fix=fix),
        Finding("D101", "error", "m", layer="A", file="mine.py", line=1, fix=Fix("mine.py", "a\n", "")),
        Finding("D002", "note", "without a file", layer="A"),
    )
    report = Report("A", findings=findings, file="mine.py", line=7)
    results = to_sarif([report], rules(), version="1")["runs"][0]["results"]
    check_sarif(to_sarif([report], rules(), version="1"))
    assert results[3]["locations"][0]["physicalLocation"]["region"] == {"startLine": 7}
    (replaced,) = results[1]["fixes"][0]["artifactChanges"][0]["replacements"]
    assert (replaced["deletedRegion"]["startColumn"], replaced["deletedRegion"]["endColumn"]) == (14, 15)
    assert results[1]["fixes"][0]["description"]["text"] == "it changes what forward returns: look at it first"


def test_a_layer_that_the_clock_cut_short_is_told_of_beside_the_results():
    (run,) = (log := to_sarif([Report("A", timed=True), Report("B")], rules(), version="1"))["runs"]
    check_sarif(log)
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert (told["level"], told["message"]["text"].partition(":")[0]) == ("note", "A")
    assert run["invocations"][0]["executionSuccessful"]


def test_gitlab_has_a_path_a_line_and_a_fingerprint_for_each_finding(tmp_path):
    write(tmp_path, WRONG, "sub/mine.py")
    (wrong,) = [
        f for f in json.loads(dout(".", "--output-format", "gitlab", cwd=tmp_path).stdout) if f["severity"] == "major"
    ]
    assert wrong["location"] == {"path": "sub/mine.py", "lines": {"begin": 8}}
    assert (wrong["check_name"], len(wrong["fingerprint"])) == ("D101", 64)
    assert to_gitlab([Finding("D101", "error", "without a file")]) == []


def test_junit_has_a_case_for_each_layer_and_a_failure_for_each_error(tmp_path):
    write(tmp_path, LAYERS)
    run = dout("mine.py", "missing.py", "--output-format", "junit", cwd=tmp_path)
    root = ElementTree.fromstring(run.stdout)
    mine, missing = root
    assert run.returncode == 2
    assert [(case.get("name"), [f.get("type") for f in case]) for case in mine] == [
        ("Square", []), ("Wrong", ["D101"]), ("Relu", ["D201"]),
    ]  # fmt: skip
    assert (mine.get("tests"), mine.get("failures"), missing.get("errors")) == ("3", "2", "1")
    assert "+        return dout * 2 * self.x" in mine[1][0].text


def test_what_xml_cannot_hold_is_spelt_out():
    report = Report("<A>\x00\ud800", findings=(Finding("D101", "error", "\x1b[31m & \uffff"),))
    root = ElementTree.fromstring(to_junit([("a.py", [report])], [], {"error"}))
    assert root[0][0].get("name") == "<A>\\x00\\ud800"


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", ["json", "sarif", "github"])
def test_the_short_options_print_the_same(name, tmp_path):
    write(tmp_path, "x = 1\n")
    short, long = (
        dout("mine.py", *options, cwd=tmp_path, env=PLAIN) for options in ([f"--{name}"], ["--output-format", name])
    )
    assert short.returncode == long.returncode
    assert (short.stdout[:40], short.stderr) == (long.stdout[:40], long.stderr)
