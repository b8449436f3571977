"""docs/findings/: one page a code. The wrong layer of each gets the code, the mended one does not, the example runs."""

import doctest
import json
import re
from pathlib import Path

import pytest
from dout_commands import run_dout

from dout.check.rules import rules

RULES = rules()
HOME = Path(__file__).resolve().parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((HOME / "docs" / "findings").glob("*.md"))}
HEADINGS = ["Why it hurts", "How to mend it", "How to silence it"]


def blocks(code):
    """The Python of a page: the wrong layer, the example in which it ruins a result, the mended layer."""
    return re.findall(r"```python\n(.*?)```", PAGES[code], re.DOTALL)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The codes that `dout check` gives for every page's wrong and mended layer, by file and layer."""
    folder = tmp_path_factory.mktemp("pages")
    for code in PAGES:
        wrong, _, mended = blocks(code)
        (folder / f"{code}_wrong.py").write_text(wrong)
        (folder / f"{code}_mended.py").write_text(mended)
    run = run_dout("check", ".", "--json", "--timeout", "3", cwd=folder)
    document = json.loads(run.stdout)
    assert document["problems"] == []
    return {
        Path(file["file"]).stem: {
            layer["layer"]: [finding["code"] for finding in layer["findings"]] for layer in file["layers"]
        }
        for file in document["files"]
    }


def last(layers):
    return list(layers.values())[-1]


def test_every_code_has_its_page_and_every_page_its_code():
    assert set(PAGES) == set(RULES)


@pytest.mark.parametrize("code", PAGES)
def test_a_page_has_the_title_and_the_severity_of_the_table_and_every_heading(code):
    lines = PAGES[code].splitlines()
    assert lines[0] == f"# {code}: {RULES[code].title}"
    assert lines[2] == f"Severity: {RULES[code].severity}."
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == HEADINGS
    assert f"# dout: ignore[{code}]" in PAGES[code]


@pytest.mark.parametrize("code", PAGES)
def test_the_example_of_a_page_ruins_a_result_as_it_says(code):
    wrong, example, _ = blocks(code)
    names = {}
    exec(wrong, names)  # plain Python: nothing here knows about dout
    test = doctest.DocTestParser().get_doctest(example, names, code, f"{code}.md", 0)
    said = []
    assert doctest.DocTestRunner().run(test, out=said.append).failed == 0, "".join(said)


@pytest.mark.parametrize("code", PAGES)
def test_the_wrong_layer_of_a_page_gets_its_code(code, found):
    assert code in last(found[f"{code}_wrong"])


@pytest.mark.parametrize("code", PAGES)
def test_the_mended_layer_of_a_page_does_not(code, found):
    assert code not in last(found[f"{code}_mended"])


@pytest.mark.parametrize("code", PAGES)
def test_the_mended_layer_of_a_page_has_no_error(code, found):
    assert not [other for other in last(found[f"{code}_mended"]) if RULES[other].severity == "error"]
