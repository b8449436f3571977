"""`dout exercise serve`: the page, in a browser, and what its server refuses."""

import http.client
import json
import socket
import subprocess
import sys
import time

import pytest
from axe_playwright_python.sync_playwright import Axe

RIGHT = "        return dout * self.out * (1 - self.out)"
WRONG = "        return dout * self.out * (1 + self.out)"


@pytest.fixture(scope="module")
def address():
    """The address of a server of its own."""
    arguments = [sys.executable, "-m", "dout", "exercise", "serve"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as server:
        yield server.stderr.readline().split()[1]
        server.kill()


@pytest.fixture(scope="module")
def tab(browser):
    """One tab for all tests: a new one costs more than what is done in it."""
    opened = browser.new_context().new_page()
    opened.went_wrong = []
    opened.on("console", lambda message: opened.went_wrong.append(message.text))
    opened.on("pageerror", lambda error: opened.went_wrong.append(str(error)))
    return opened


@pytest.fixture
def page(tab, address):
    """The page at the Sigmoid, of which nothing is kept from a test before, and what went wrong on it."""
    tab.goto(address)
    tab.evaluate("localStorage.clear()")
    tab.went_wrong.clear()
    tab.goto(address)
    tab.select_option("#choice", label="7  Sigmoid")
    return tab


def graded(page, lines):
    page.fill("textarea", lines)
    before = page.inner_text("#grade")
    page.click("#try")
    page.wait_for_function("before => document.getElementById('grade').innerText !== before", arg=before)
    return page.inner_text("#grade")


def test_a_right_answer_has_all_points(page):
    assert "7 of 7 points" in graded(page, RIGHT)
    assert page.went_wrong == []


def test_a_wrong_answer_is_told_its_line_and_kind_and_the_graph_shows_it(page):
    told = graded(page, WRONG)
    assert "1 of 7 points" in told
    assert "line 19" in told
    assert "a sign is" in told
    page.wait_for_selector("#graph img[alt*='a gradient is wrong']")
    assert page.evaluate("document.querySelector('#graph img').naturalWidth") > 100
    assert page.went_wrong == []


def test_hints_come_in_three_degrees(page):
    for told in ("keep y, forget x", "backward, from the output to the input", "∂y/∂c = −1/c²"):
        page.click("#hint")
        page.wait_for_function("told => document.getElementById('hints').innerText.includes(told)", arg=told)
    assert page.is_disabled("#hint")


def test_what_was_written_is_there_again_when_the_page_is_loaded_anew(page):
    page.fill("textarea", RIGHT)
    page.reload()
    page.select_option("#choice", label="7  Sigmoid")
    assert page.input_value("textarea") == RIGHT


def test_names_and_answers_never_become_markup(page):
    told = graded(page, "        return '<img src=x onerror=alert(1)>' + undefined_name")
    assert "NameError" in told
    assert page.query_selector("#grade img") is None
    assert page.went_wrong == []


def test_the_page_can_be_used_by_everyone(page):
    graded(page, WRONG)
    found = Axe().run(page)
    assert found.response["violations"] == []


def asked(address, path, body, **headers):
    place = address.removeprefix("http://").split("/")[0]
    connection = http.client.HTTPConnection(place, timeout=60)
    connection.request("POST" if body is not None else "GET", path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize(
    ("path", "body"), [("/", None), ("/?token=wrong", None), ("/../../etc/passwd", None), ("/grade", "{}")]
)
def test_who_has_no_token_gets_nothing(address, path, body):
    status, text = asked(address, path, body)
    assert status == 403
    assert b"Sigmoid" not in text


def test_there_is_no_other_page(address):
    token = address.partition("token=")[2]
    assert asked(address, f"/../../etc/passwd?token={token}", None)[0] == 404


def test_a_connection_that_says_nothing_keeps_nobody_waiting(address):
    host, _, port = address.removeprefix("http://").split("/")[0].partition(":")
    token = address.partition("token=")[2]
    with socket.create_connection((host, int(port))):
        begun = time.monotonic()
        assert asked(address, f"/?token={token}", None)[0] == 200
        assert time.monotonic() - begun < 5


BRANCHING = """
class Doubled:
    def __init__(self):
        {begin}

    def forward(self, x):
        {forward}

    def backward(self, dout):
        return 2 * dout
"""


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("begin", "forward"),
    [
        ("pass", "while True: pass"),
        ("open('made.txt', 'w').write('x')", "return 2 * x"),
        ("pass", "raise ValueError(x)"),
    ],
)
def test_a_sheet_that_is_served_runs_apart_and_its_answer_is_there(tmp_path, begin, forward):
    (tmp_path / "mine.py").write_text(BRANCHING.format(begin=begin, forward=forward))
    sheet = str(tmp_path / "sheet.py")
    made = [sys.executable, "-m", "dout", "exercise", "make", f"{tmp_path / 'mine.py'}:Doubled", "-o", sheet]
    subprocess.run(made, check=True, capture_output=True)
    text = (tmp_path / "sheet.py").read_text(encoding="utf-8")
    written = text.replace('raise NotImplementedError("backward is yours to write")', "return dout + dout")
    (tmp_path / "sheet.py").write_text(written, encoding="utf-8")
    arguments = [sys.executable, "-m", "dout", "exercise", "serve", sheet]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as server:
        address = server.stderr.readline().split()[1]
        token = {"X-Dout-Token": address.partition("token=")[2]}
        assert b"return dout + dout" in asked(address, f"/?token={token['X-Dout-Token']}", None)[1]
        assert asked(address, "/hint", '{"sheet": 0, "degree": 1}', **token)[0] == 200
        assert asked(address, "/hint", '{"sheet": 0, "degree": Infinity}', **token)[0] == 400
        server.kill()
    assert not (tmp_path / "made.txt").exists()


def test_another_name_for_this_machine_is_refused(address):
    token = address.partition("token=")[2]
    assert asked(address, f"/?token={token}", None, Host="evil.example")[0] == 403


@pytest.mark.one_in(6)
@pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"sheet": 99, "answers": [""]}', '{"sheet": 0, "answers": 3}'])
def test_a_request_that_is_none_is_refused_and_the_server_goes_on(address, body):
    token = address.partition("token=")[2]
    assert asked(address, "/grade", body, **{"X-Dout-Token": token})[0] == 400
    good = json.dumps({"sheet": 1, "answers": ["        return dout, dout"]})
    status, text = asked(address, "/grade", good, **{"X-Dout-Token": token})
    assert status == 200
    assert json.loads(text)["grade"]["exercise"] == "AddLayer"
