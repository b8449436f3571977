"""Many files at a glance: the table, what was not judged, and the page."""

import json
import re
from html.parser import HTMLParser

import pytest
from check_commands import PLAIN, RIGHT, TRIPLE, WRONG, document, dout, layers, write
from contract_findings import finding

from dout.check.project.discover import Job
from dout.check.report.report import Report
from dout.check.report.verdicts import Verdict
from dout.check.rules import rules
from dout.check.worker.jobs import Checked, JobOutcome
from dout.check.worker.summary import columns, row, shortened, table, told
from dout.judge.outcomes import Word

WARNS = """
import numpy as np
class Halves:
    def forward(self, x):
        return x * np.float64(0.5)
    def backward(self, dout):
        return dout * np.float64(0.5)
"""
NOTED = """
class Twice:
    def forward(self, x):
        if x.ndim > 5:
            x = -x
        self.x = x
        return x * x
    def backward(self, dout):
        return 2 * dout * self.x
"""
NEEDS_NET = """
class Wrapper:
    def __init__(self, net):
        self.net = net
    def forward(self, x):
        return self.net.forward(x)
    def backward(self, dout):
        return self.net.backward(dout)
"""


def folder(path):
    write(path, RIGHT, "a/right.py")
    write(path, WRONG, "b/wrong.py")
    write(path, WARNS, "warns.py")
    write(path, NEEDS_NET, "wrapper.py")
    write(path, "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return x\n", "net1.py")
    write(path, "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return x\n", "net2.py")
    write(path, "open('weights.npy', 'w')\n" + TRIPLE, "writes.py")
    return path


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What is printed of the folder."""
    return dout(".", cwd=folder(tmp_path_factory.mktemp("folder"))).stdout


def report(layer="A", *findings, words=(Word.EXACT,), **more):
    return Report(layer, tuple(Verdict(f"x{i}", word) for i, word in enumerate(words)), findings, **more)


def outcome(file, *reports, **more):
    return JobOutcome(Job(file, "file"), [Checked(item) for item in reports], **more)


def codes_in(found):
    return {item["code"] for layer in layers(found).values() for item in layer["findings"]}


def plain(lines):
    return ["".join(part for part, _ in line) for line in lines]


# --- what a person sees -----------------------------------------------------------------------------------------------


@pytest.mark.long
def test_of_a_folder_what_is_wrong_is_told_in_detail_errors_first_and_everything_in_a_table(printed):
    blocks = printed.split("\n\n")
    assert blocks[0].startswith("Square  b/wrong.py:")
    assert blocks[1].startswith("Halves  warns.py:")
    rows = blocks[2].splitlines()
    assert [re.split(r"  +| \d", line.strip())[0] for line in rows if not line.startswith(" ")] == [
        "warns.py", "wrapper.py", "writes.py", "a/right.py", "b/wrong.py"]  # fmt: skip
    marks = {line.split()[1]: line.split()[0] for line in rows if line.startswith(" ")}
    assert marks == {"Square": "✗", "Halves": "!", "Wrapper": "?", "Triple": "✓"}
    assert re.search(r"✗ Square +1 wrong +\d\.\d s +D101", printed)


def test_of_a_folder_what_was_not_judged_and_what_was_refused_is_a_line_each(printed):
    assert "not judged: 2 files need torch (net1.py, net2.py)" in printed
    assert re.search(r"not driven: Wrapper \(wrapper\.py:\d\): needs net \(AttributeError", printed)
    assert "refused: writes.py:1 wanted to write weights.npy" in printed
    assert re.search(r"^codes: .*\bD101 × 1\b", printed, re.MULTILINE)


@pytest.mark.long
def test_all_tells_every_layer_in_detail(tmp_path):
    text = dout(".", "--all", cwd=folder(tmp_path)).stdout
    assert {"Square  a/right.py:", "Triple  writes.py:", "Wrapper  wrapper.py:"} <= {
        f"{line.rpartition(':')[0]}:" for line in text.splitlines()
    }


@pytest.mark.long
def test_one_layer_is_told_whole_and_several_that_are_right_in_a_line_each(tmp_path):
    write(tmp_path, RIGHT, "one.py")
    assert re.match(r"Square  one\.py:\d+\n  on x", dout("one.py", cwd=tmp_path).stdout)
    write(tmp_path, RIGHT + TRIPLE)
    text = dout("mine.py", cwd=tmp_path).stdout
    assert re.match(r"mine\.py  2 layers, .* s\n  ✓ Square +1 exact .*\n  ✓ Triple +1 exact .*\n\n2 layers: ", text)
    assert "Triple  mine.py:" in dout("mine.py", "--all", cwd=tmp_path).stdout


@pytest.mark.long
def test_notes_and_conditions_that_were_not_covered_are_counted_and_printed_when_asked_for(tmp_path):
    write(tmp_path, NOTED)
    quiet, whole = (dout("mine.py", *options, cwd=tmp_path).stdout for options in ((), ("--notes",)))
    assert "D208" not in quiet
    assert quiet.endswith("with --notes: 1 note, 1 condition not covered\n")
    assert "  · D208 note mine.py:" in whole
    assert "  ? not covered: `x.ndim > 5` at mine.py:4 was always False" in whole
    assert "--notes" not in whole


def test_what_is_true_of_nearly_every_layer_is_told_once_a_file(tmp_path):
    square = RIGHT.replace("import numpy as np", "")
    write(tmp_path, RIGHT + square.replace("Square", "Second") + square.replace("Square", "Third"))
    shown = layers(document("mine.py", cwd=tmp_path))
    told = {name: [f["message"] for f in layer["findings"] if f["code"] == "D208"] for name, layer in shown.items()}
    assert [len(messages) for messages in told.values()] == [1, 0, 0]
    assert told["Square"][0].endswith("; so have 2 other layers of this file")


def test_a_package_has_the_layers_that_it_exports(tmp_path):
    write(tmp_path, TRIPLE.replace("Triple", "_Hidden") + TRIPLE, "outer/net/inner.py")
    write(tmp_path, "from outer.net.inner import Triple, _Hidden\n", "outer/net/__init__.py")
    assert list(layers(document("outer.net", cwd=tmp_path))) == ["Triple"]


@pytest.mark.long
def test_codes_are_left_out_one_option_at_a_time_and_listed(tmp_path):
    write(tmp_path, WARNS + NOTED.replace("import numpy as np", ""))
    assert {"D208", "D301"} <= codes_in(document("mine.py", cwd=tmp_path))
    assert not {"D208", "D301"} & codes_in(document("mine.py", "--ignore", "D2", "--ignore", "D3", cwd=tmp_path))
    listed = dout("--explain", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(rules())
    assert "D201  error    backward writes into dout" in listed


@pytest.mark.long
def test_the_same_in_ascii_and_without_colour(tmp_path):
    name = "模型" * 30
    write(folder(tmp_path), WRONG, f"{name}/deep/{name}.py")
    for env in (PLAIN, {**PLAIN, "PYTHONIOENCODING": "ascii"}):
        text = dout(".", cwd=tmp_path, env=env).stdout
        assert "\x1b" not in text
        glance = text[text.index("warns.py  1 layer") :]
        assert max(map(columns, glance.splitlines())) <= 100
    assert text.isascii()
    assert re.search(r"x Square +1 wrong", text)


def test_no_line_of_the_table_is_wider_than_asked_and_no_name_is_lost():
    codes = [finding(code, "m") for code in ("D101", "D101", "D104", "D201", "D202", "D203", "D204", "D205", "D206")]
    reports = [report("VeryLong" * 8, *codes, words=(Word.REFUTED, Word.INCONCLUSIVE, Word.EXACT, Word.AGREES))]
    reports += [report("日本" * 20), report("e\u0301" * 20)]
    outcomes = [outcome("a/very/long/folder/" * 8 + "layers.py", *reports)]
    for width in (60, 80, 100):
        lines = plain(table(outcomes, width))
        assert max(map(columns, lines)) <= width
        text = " ".join(lines)
        assert "/layers.py" in text
        assert all(code in text for code in ("D101×2", "D206"))


def test_a_long_name_keeps_both_ends():
    assert shortened("short.py", 20) == "short.py"
    assert shortened("aa/" * 30 + "layers.py", 24) == "aa/aa/...aa/aa/layers.py"
    for width in range(8, 40):
        assert columns(shortened("日本/x" * 20, width)) <= width


def test_a_row_counts_verdicts_worst_first_and_codes_by_severity():
    found = [finding("D208", "m"), finding("D401", "m"), finding("D101", "m"), finding("D101", "m")]
    made = row(report("A", *found, words=(Word.EXACT, Word.REFUTED, Word.ROUNDED)))
    assert (made.state, made.verdict, made.codes) == ("error", "1 wrong, 2 exact", ("D101×2", "D401", "D208"))
    assert row(report(words=(Word.EXACT, Word.INCONCLUSIVE))).state == "open"
    assert row(Report("A", findings=(finding("D003", "m"),))).verdict == "stopped"
    assert row(Report("A")).verdict == "no gradient"
    assert row(Report("A", missing=("W",))).verdict == "no gradient"
    missing = row(report(missing=("W", "b")))
    assert (missing.state, missing.verdict) == ("open", "1 exact, 2 not found")


def test_conditions_that_were_not_covered_are_counted_in_the_table_and_told_after_it():
    condition = "`self.on` at a.py:3 was always True"
    judged = Report("Gate", (Verdict("x", Word.EXACT),), (finding("D208", "m"),), branches=(condition,))
    outcomes = [outcome("a.py", judged), outcome("b.py", report())]
    (line,) = (line for line in plain(table(outcomes, 80)) if "Gate" in line)
    assert line.endswith("D208 1 not covered")
    assert told(outcomes) == [("not covered", [f"Gate: {condition}"])]
    assert told(outcomes, many=False) == []


def test_what_was_not_judged_is_put_together_by_its_reason():
    needs = "{}.py: Net needs torch, which is not installed"
    many = [outcome(f"{i}.py", skipped=needs.format(i)) for i in range(7)]
    many.append(outcome("k.py", skipped="k.py: A, B need keras, which is not installed"))
    many.append(outcome("m.py", report(), remarks=["m.py: C, D need jax, which is not installed"]))
    many.append(outcome("e.py", skipped="e.py raised ValueError: no, at e.py:3"))
    assert dict(told(many)) == {
        "not judged": [
            "7 files need torch (0.py, 1.py, 2.py, 3.py, 4.py and 2 more)",
            "k.py needs keras",
            "e.py raised ValueError: no, at e.py:3",
            "C, D (m.py) need jax",
        ]
    }


def test_many_acts_that_were_refused_are_folded(tmp_path):
    write(tmp_path, "".join(f"open('w{i}', 'w') if False else None\n" for i in range(3)) + TRIPLE, "fine.py")
    lines = "".join(f"try:\n    open('w{i}', 'w')\nexcept OSError:\n    pass\n" for i in range(9))
    write(tmp_path, lines + TRIPLE)
    text = dout(".", cwd=tmp_path).stdout
    assert len(re.findall(r"^refused: mine\.py:\d+ wanted to write w\d$", text, re.MULTILINE)) == 5
    assert "refused: and 4 more" in text


# --- the page ---------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page holds: its tags, text, ids, links, and every attribute."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.links, self.attributes, self.text = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data


def page(cwd, *arguments):
    run = dout(*arguments, "--html", "report.html", cwd=cwd)
    return Page((cwd / "report.html").read_text(encoding="utf-8")), run


@pytest.fixture(scope="module")
def folders_page(tmp_path_factory):
    """The page of the folder, as text, and what the command said."""
    path = folder(tmp_path_factory.mktemp("page"))
    _, run = page(path, ".")
    return (path / "report.html").read_text(encoding="utf-8"), run


@pytest.mark.long
def test_the_page_has_a_table_that_leads_to_every_layer_and_a_picture_of_what_is_wrong(folders_page):
    text, run = folders_page
    found = Page(text)
    assert run.returncode == 1
    assert "wrote report.html" in run.stderr
    assert len(found.links) == 5
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert found.tags.count("svg") == 1
    assert "first wrong edge" in found.text
    for said in ("b/wrong.py", "D101", "2 files need torch", "wanted to write weights.npy", "✓ x  exact"):
        assert said in found.text


@pytest.mark.long
def test_the_page_asks_nobody_for_anything_and_runs_nothing(folders_page):
    text, _ = folders_page
    found = Page(text)
    assert not {"script", "link", "iframe", "img", "object"} & set(found.tags)
    assert not [a for a in found.attributes if a[1].startswith("on") or a[1] in ("src", "style")]
    (policy,) = [a[2] for a in found.attributes if a[0] == "meta" and "default-src" in (a[2] or "")]
    assert re.fullmatch(r"default-src 'none'; style-src 'sha256-[\w+/=]+'", policy)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    assert "prefers-color-scheme:dark" in text
    assert text.count("<style>") == 1


def test_nothing_of_the_users_becomes_markup_on_the_page(tmp_path):
    hostile = WRONG + (
        "Square.__name__ = Square.__qualname__ = '<script>alert(1)</script>\\x1b[31m'\n"
        "class Raises:\n    def forward(self, x):\n        return x * 1\n"
        "    def backward(self, dout):\n        raise ValueError('</style></pre><img src=x onerror=alert(1)>\\u202e')\n"
    )
    write(tmp_path, hostile, "<b>&'.py")
    write(tmp_path, "raise ValueError('<i>')\n" + TRIPLE)
    found, _ = page(tmp_path, ".")
    assert not {"script", "img", "b>&'.py", "i"} & set(found.tags)
    assert "<img src=x onerror=alert(1)>" in found.text
    assert all(c.isprintable() or c == "\n" for c in found.text)
    assert not [a for a in found.attributes if a[1].startswith("on")]


def test_a_page_that_cannot_be_written_is_an_error_before_anything_runs(tmp_path):
    write(tmp_path, RIGHT)
    for path in ("missing/report.html", "mine.py", "."):
        run = dout("mine.py", "--html", path, cwd=tmp_path)
        assert (run.returncode, run.stdout) == (2, "")
        assert run.stderr.startswith(f"dout: {path} cannot be written: ")


def test_a_page_beside_json(tmp_path):
    write(tmp_path, WRONG)
    found, run = page(tmp_path, "mine.py", "--json")
    assert json.loads(run.stdout)["summary"]["errors"] == 1
    assert "svg" in found.tags
