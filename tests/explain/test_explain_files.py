"""Markdown, slides, pages and JSON of an explanation: well-formed, complete, and nothing of the user's is obeyed."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from explanations import affine, mixed, multiply, relu, sigmoid

from dout.errors import TargetError
from dout.explain.formats import html_page, json_document, latex_slide, markdown
from dout.explain.formats.words import TABLES
from dout.explain.verb.explain_verb import Explained
from dout.explain.verb.explanation_files import FORMATS, Wanted, format_for, refuse_file
from dout.files import write

EVERY = {"Sigmoid": sigmoid(), "Affine": affine(), "Relu": relu(), "Scale": mixed(), "MulLayer": multiply()}
HOSTILE = sigmoid(name="<script>alert('$x$ | `y` \\input{z}')</script>")
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Elements with their attributes, and texts; every element has to be closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


# --- Markdown ---------------------------------------------------------------------------------------------------------


def test_markdown_has_a_table_of_steps_with_formulas_between_dollars():
    lines = markdown.to_markdown(sigmoid(), numbers=True).splitlines()
    assert "| step | operator | local derivative | gradient | value |" in lines
    row = next(line for line in lines if line.startswith("| 4 |"))
    assert r"$\frac{\partial a}{\partial x} = -1$" in row
    assert row.endswith("| $0.1491$ |")


@pytest.mark.parametrize("explanation", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("language", TABLES)
def test_rows_of_a_table_have_as_many_cells_as_its_head(explanation, language):
    lines = markdown.to_markdown(explanation, numbers=True, language=language).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert table
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1


@pytest.mark.parametrize("explanation", EVERY.values(), ids=EVERY)
def test_dollars_and_braces_are_in_pairs(explanation):
    text = markdown.to_markdown(explanation, numbers=True)
    assert text.count("$$") % 2 == 0
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0
    assert len(re.findall(r"(?<!\\)\{", text)) == len(re.findall(r"(?<!\\)\}", text))


def test_markdown_of_a_hostile_name_is_text():
    text = markdown.to_markdown(HOSTILE)
    assert "<script>" not in text
    assert r"\$x\$ \| \`y\`" in text


def test_the_wrong_line_says_so_in_markdown():
    assert "- `self.db = dout.sum(axis=1)` ✗ step 1 sums over the N rows: axis=0" in markdown.to_markdown(affine())


# --- slides -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("explanation", [*EVERY.values(), HOSTILE], ids=[*EVERY, "hostile"])
@pytest.mark.parametrize("short", [False, True])
def test_environments_are_closed_in_order(explanation, short):
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", latex_slide.to_latex(explanation, short=short)):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []


@pytest.mark.parametrize("explanation", [*EVERY.values(), HOSTILE], ids=[*EVERY, "hostile"])
def test_slides_have_no_bare_special_character(explanation):
    text = latex_slide.to_latex(explanation, numbers=True)
    assert text.startswith("% Written by `dout explain`")
    body = text.split("\n", 1)[1]
    assert not re.search(r"(?<!\\)[#%]", body)
    assert r"\input" not in body
    assert len(re.findall(r"(?<!\\)\$", body)) % 2 == 0
    plain = re.sub(r"\\texttt\{[^}]*\}|\\text\{[^}]*\}", "", body)
    assert not re.search(r"[−·×→Σ∂²ₙ]", plain)


def test_gradients_of_a_slide_are_aligned():
    text = latex_slide.to_latex(sigmoid())
    assert r"\frac{\partial L}{\partial x} &= \frac{\partial L}{\partial y}" in text
    assert text.count(r"\begin{align*}") == 3


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("explanation", [*EVERY.values(), HOSTILE], ids=[*EVERY, "hostile"])
@pytest.mark.parametrize("language", TABLES)
@pytest.mark.parametrize("short", [False, True])
def test_a_page_is_well_formed_and_needs_no_network(explanation, language, short):
    text = html_page.to_page(explanation, numbers=True, language=language, short=short)
    page = Page(text)
    assert page.all("html") == [{"lang": language}]
    assert [
        a for _, attributes in page.elements for a in attributes if a in ("src", "href") or a.startswith("on")
    ] == []
    assert "default-src 'none'" in text


def test_what_the_user_wrote_is_text_on_the_page():
    page = Page(html_page.to_page(HOSTILE))
    assert len(page.all("script")) == 1
    assert ("h1", HOSTILE.name) in page.texts


@pytest.mark.parametrize("explanation", EVERY.values(), ids=EVERY)
def test_every_formula_of_the_page_is_xml(explanation):
    formulas = re.findall(r"<math.*?</math>", html_page.to_page(explanation, numbers=True), re.DOTALL)
    assert formulas
    for formula in formulas:
        ElementTree.fromstring(formula)


def test_a_row_of_the_page_names_its_step_and_its_value():
    page = Page(html_page.to_page(sigmoid(), numbers=True))
    rows = [attributes for attributes in page.all("tr") if attributes.get("data-step")]
    assert [(row["data-step"], row["data-name"]) for row in rows] == [("1", "c"), ("2", "b"), ("3", "a"), ("4", "x")]
    assert all(row["tabindex"] == "0" for row in rows)
    names = {attributes.get("data-name") for tag, attributes in page.elements if tag != "tr"}
    assert {"x", "y", "c", "∂L/∂y"} <= names


def test_a_picture_stands_on_the_page_and_its_styles_are_allowed():
    picture = '<svg xmlns="http://www.w3.org/2000/svg"><style>.a{fill:red}</style></svg>'
    text = html_page.to_page(sigmoid(), picture=picture)
    assert picture in text
    assert len(re.findall(r"'sha256-", text)) == 3  # the page's own style and script, and the style of the picture


def test_the_page_has_the_colours_of_pictures():
    from dout.colours import PALETTES

    text = html_page.to_page(sigmoid())
    for theme in ("light", "dark"):
        assert f"--value:{PALETTES[theme]['value']}" in text
        assert f"--gradient:{PALETTES[theme]['gradient']}" in text


@pytest.mark.parametrize("explanation", EVERY.values(), ids=EVERY)
def test_every_row_of_a_table_is_as_wide_as_the_others(explanation):
    for table in re.findall(r"<table>.*?</table>", html_page.to_page(explanation, numbers=True), re.DOTALL):
        rows = [re.findall(r"<t[dh][^>]*>", row) for row in re.findall(r"<tr.*?</tr>", table)]
        assert len({sum(int((re.search(r'colspan="(\d+)"', cell) or [0, 1])[1]) for cell in row) for row in rows}) == 1


def test_the_page_has_shapes_and_code_beside_steps_on_each_element():
    text = html_page.to_page(mixed())
    assert "(N, D) → (D,)" in text
    assert "<code>np.sum(dout * x, axis=0)</code>" in text


def test_values_and_gradients_differ_on_the_page():
    text = html_page.to_page(sigmoid(), numbers=True)
    assert '<td class="value">0.8176</td>' in text
    assert '<td class="value gradient">0.1491</td>' in text


def test_a_notebook_gets_the_page_in_a_frame_that_touches_nothing_else():
    page = Page(html_page.to_frame(HOSTILE, numbers=True))
    (frame,) = page.all("iframe")
    assert frame["sandbox"] == "allow-scripts"
    assert len(Page(frame["srcdoc"]).all("script")) == 1
    assert page.texts == []


def test_a_result_shows_itself():
    shown = Explained.of(sigmoid(), numbers=True)
    assert repr(shown) == "<explanation of Sigmoid: 4 steps>"
    assert "0.8176" in str(shown)
    assert "$0.8176$" not in shown._repr_markdown_()  # it stands in a formula of its own
    assert "0.8176" in shown._repr_markdown_()
    assert shown._repr_html_().startswith("<iframe")
    assert [step.number for step in shown.steps] == [1, 2, 3, 4]


@pytest.mark.parametrize("suffix", [".txt", ".md", ".html", ".tex", ".json"])
def test_a_result_is_saved_by_its_suffix(tmp_path, suffix):
    shown, path = Explained.of(sigmoid()), tmp_path / f"sigmoid{suffix}"
    assert shown.save(path) == path
    shown.save(path)
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(TargetError, match="not an explanation by dout"):
        shown.save(path)


# --- JSON -------------------------------------------------------------------------------------------------------------

KEYS = {
    "dout", "version", "language", "name", "file", "line", "outputs", "formula", "forward", "definitions", "steps",
    "simplified", "keeping", "backward", "not_explained",
}  # fmt: skip


@pytest.mark.parametrize("explanation", EVERY.values(), ids=EVERY)
def test_the_document_has_every_key_and_is_strict_json(explanation):
    document = json.loads(json_document.to_json(explanation), parse_constant=pytest.fail)
    assert document.keys() == KEYS
    assert (document["dout"], document["version"]) == ("explanation", 1)
    for step in document["steps"]:
        assert step.keys() == {"number", "operator", "name", "says", "parts"}
        for part in step["parts"]:
            assert part["gradient"].keys() == {"text", "latex"}


def test_the_document_says_what_the_terminal_says():
    document = json_document.to_document(sigmoid())
    assert document["formula"]["text"] == "1 / (1 + exp(−x))"
    assert [form["text"] for form in document["simplified"][0]["forms"]][-1] == "∂L/∂y · y · (1 − y)"
    assert document["simplified"][0]["forms"][1]["reason"]["sentence"] == "since y = 1 / (1 + exp(−x))"
    assert document["steps"][3]["parts"][0]["value"] == pytest.approx(0.14914645207)
    assert document["keeping"][0]["names"] == ["y"]


def test_numbers_that_json_has_not_are_spelt_out():
    document = json_document.to_document(multiply(at=(float("inf"), float("nan"))))
    assert [quantity["value"] for quantity in document["forward"]] == ["inf", "nan", "nan"]


def test_the_wrong_line_of_a_document():
    line = json_document.to_document(affine(), language="ja")["backward"][1]
    assert (line["wrong"], line["step"], line["instead"]) == (True, 1, "dout.sum(axis=0)")
    assert line["reason"]["key"] == "beside_axis"
    assert "手順 1" in line["reason"]["sentence"]


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", FORMATS)
def test_dout_replaces_its_own_file_and_no_other(word, tmp_path):
    form = FORMATS[word]
    path = tmp_path / f"sigmoid{form.kind.suffixes[0]}"
    write([path], [form.write(sigmoid(), Wanted(numbers=True)).encode()], form.kind)
    assert refuse_file(path, None, [], force=False) is form
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(TargetError, match="not an explanation by dout"):
        refuse_file(path, None, [], force=False)
    assert refuse_file(path, None, [], force=True) is form


def test_an_unknown_suffix_names_all(tmp_path):
    with pytest.raises(TargetError, match=r"ends in \.txt, \.md"):
        format_for(tmp_path / "a.doc")
