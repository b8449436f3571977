"""Sheets of classes in any style: forward stays as it was, what is to be written is gone, and the sheet can be read."""

import ast
import textwrap

import pytest

from dout.errors import SheetError
from dout.exercise.blanks import blanked
from dout.exercise.sheet import Sheet

HEAD = "import numpy as np\n\n\n"
FORWARD = "    def forward(self, x):\n        self.x = x  # kept\n        return x * x\n"

BACKWARDS = {
    "plain": "    def backward(self, dout):\n        secret = 2 * self.x\n        return dout * secret\n",
    "on one line": "    def backward(self, dout): return 2 * self.x * dout * secret\n",
    "semicolons": "    def backward(self, dout): secret = 2 * self.x; return dout * secret\n",
    "semicolons below": "    def backward(self, dout):\n        secret = 2; secret *= self.x; return dout * secret\n",
    "a decorator": "    @np.errstate(all='ignore')\n    def backward(self, dout):\n        return dout * secret\n",
    "a signature on several lines": (
        "    def backward(\n        self,\n        dout,\n    ):\n        return dout * secret\n"
    ),
    "a body behind such a signature": "    def backward(self,\n                 dout): return dout * secret\n",
    "a docstring": '    def backward(self, dout):\n        """Return dx."""\n        return dout * secret\n',
    "a docstring on several lines": (
        '    def backward(self, dout):\n        """Return dx.\n\n        It has the shape of x.\n        """\n'
        "        return dout * secret\n"
    ),
    "a statement behind a docstring": (
        '    def backward(self, dout):\n        """Return\n        dx."""; return dout * secret\n'
    ),
    "comments": (
        "    # what comes back\n    def backward(self, dout):\n        # secret\n\n        return dout * secret\n"
        "        # secret again\n"
    ),
    "functions inside": (
        "    def backward(self, dout):\n        def secret(d):\n            def again():\n                return d\n"
        "            return again()\n        return secret(dout)\n"
    ),
    "text at the margin": (
        '    def backward(self, dout):\n        """Return dx."""\n        s = """\nsecret\n"""\n        return s\n'
    ),
    "continued lines": "    def backward(self, dout):\n        return dout * \\\n            secret\n",
    "brackets": "    def backward(self, dout):\n        return (\n    dout\n  * secret\n)\n",
    "a compound statement": (
        "    def backward(self, dout):\n        if dout is secret: return 1\n        else: return 2\n"
    ),
    "wide letters": "    def backward(self, größe): return größe * secret\n",
    "written twice": (
        "    def backward(self, dout):\n        return secret\n\n"
        "    def backward(self, dout):\n        return 2 * secret\n"
    ),
    "a comment above": "    # secret\n    def backward(self, dout):\n        return dout * 2 * self.x\n",
    "a comment below": "    def backward(self, dout):\n        return dout * 2 * self.x\n    # secret\n",
    "a comment in the signature": (
        "    def backward(self,  # secret\n                 dout):  # secret\n        return dout * 2 * self.x\n"
    ),
    "a comment behind a docstring": (
        '    def backward(self, dout):\n        """Return dx."""  # secret\n        return dout * 2 * self.x\n'
    ),
    "methods behind its method": (
        "    def backward(self, dout):\n        return self.first(dout)\n\n"
        "    def first(self, dout):\n        return self.second(dout)\n\n"
        "    # secret\n    @staticmethod\n    def second(dout):\n        return dout * secret\n"
    ),
    "a lambda": (
        "    def backward(self, dout):\n        return self.local(dout)\n\n    local = lambda self, dout: secret\n"
        "    other = lambda self, dout: secret\n"
    ),
    "a method of its own": (
        "    def backward(self, dout):\n        return self.helper(dout)\n\n"
        "    def helper(self, dout):\n        return dout * secret\n"
    ),
}


def method(text, name):
    tree = ast.parse(text)
    (function,) = (f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and f.name == name)
    return "\n".join(text.splitlines()[function.lineno - 1 : function.end_lineno])


def holds(text, sheet):
    """What is true of the sheet of every class."""
    written = sheet.text
    assert "secret" not in written
    assert method(written, "forward") == method(text, "forward")
    assert sheet.is_blank
    read = Sheet.read(written, "it")
    assert read.text == written
    assert not read.is_changed
    assert blanked(written, sheet.name).text == written
    (answer,) = sheet.answers
    assert answer.label == "backward"


@pytest.mark.parametrize("tabs", [False, True], ids=["spaces", "tabs"])
@pytest.mark.parametrize("first", [False, True], ids=["below forward", "above forward"])
@pytest.mark.parametrize("style", BACKWARDS)
def test_a_sheet_keeps_forward_and_nothing_of_backward(style, first, tabs):
    parts = (BACKWARDS[style], FORWARD) if first else (FORWARD, BACKWARDS[style])
    text = f"{HEAD}class Square:\n" + "\n".join(parts)
    text = text.replace("    ", "\t") if tabs else text
    holds(text, blanked(text, "Square"))


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n# the end\n", "\n\n\nprint('secret')\n"])
def test_what_stands_below_a_class_does_not_matter(end):
    text = f"{HEAD}class Square:\n{FORWARD}\n{BACKWARDS['plain'].rstrip()}{end}"
    holds(text, blanked(text, "Square"))


def test_only_what_the_class_needs_comes_along():
    others = (
        "SIZE = 2\nUNUSED = 'secret'\n\n\nclass Secret:\n    def backward(self, dout):\n        return 'secret'\n\n\n"
    )
    forward = FORWARD.replace("x * x", "x * SIZE")
    text = f"{HEAD}{others}class Square:\n{forward}\n{BACKWARDS['plain']}"
    sheet = blanked(text, "Square")
    holds(text, sheet)
    assert "SIZE = 2" in sheet.text


def test_an_example_of_the_author_comes_along():
    example = "def dout_example():\n    return {'inputs': {'x': np.ones(3)}}\n"
    text = f"{HEAD}class Square:\n{FORWARD}\n{BACKWARDS['plain']}\n\n{example}"
    sheet = blanked(text, "Square")
    holds(text, sheet)
    assert example.rstrip() in sheet.text


BASE = """def local(x):
    return 'secret'


class Base:
    def forward(self, x):
        return self.function(x)

    def backward(self, dout):
        return dout * local(self.x)


"""


def test_a_base_class_does_not_show_what_is_to_be_written():
    own = "    function = lambda self, x: x * x\n\n"
    text = f"{HEAD}{BASE}class Square(Base):\n{own}{BACKWARDS['plain']}"
    sheet = blanked(text, "Square")
    assert "secret" not in sheet.text
    assert own.strip() in sheet.text
    assert "return self.function(x)" in sheet.text


def test_a_base_class_keeps_what_the_lines_that_go_call():
    text = (
        f"{HEAD}{BASE}class Square(Base):\n    def backward(self, dout):\n        return 2 * super().backward(dout)\n"
    )
    assert "dout * local(self.x)" in blanked(text, "Square").text


def test_a_class_of_the_same_name_shows_nothing():
    old = f"class Square:\n{FORWARD}\n{BACKWARDS['plain']}\n\n"
    new = f"class Square:\n{FORWARD.replace('x * x', 'x**2')}\n{BACKWARDS['on one line']}"
    sheet = blanked(HEAD + old + new, "Square")
    assert "secret" not in sheet.text
    assert sheet.text.count("class Square") == 1
    assert "x**2" in sheet.text


def test_chosen_lines_are_blank_and_the_others_stay():
    text = f"{HEAD}class Square:\n{FORWARD}\n" + textwrap.indent(
        "def backward(self, dout):\n    local = 2 * self.x\n    secret = local\n    return dout * secret\n", "    "
    )
    sheet = blanked(text, "Square", lines=(11, 11))
    assert "secret = local" not in sheet.text
    assert "local = 2 * self.x" in sheet.text
    assert "return dout * secret" in sheet.text


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("class A:\n    pass\n", "B", "has no class B; its classes are: A"),
        ("class A: pass\n", "A", "A has no method backward; its methods are: none"),
        ("x = 1\n", "A", "has no class A; its classes are: none"),
        ("class A\n", "A", "cannot be read as Python"),
        ("class A:\n    def backward(self): 'only this'\n", "A", "has nothing but a docstring"),
        ("class A:\n    backward = None\n", "A", "has no method backward"),
        ("class A:\n    async def backward(self): pass\n", "A", "has no method backward"),
        (
            "class A:\n    def forward(self):\n        '''\n    # >>> your lines: forward\n        '''\n"
            "    def backward(self): pass\n",
            "A",
            "no line that looks like a mark",
        ),
    ],
)
def test_what_cannot_be_a_sheet_is_told_in_one_line(text, name, says):
    with pytest.raises(SheetError) as caught:
        blanked(text, name, where="file.py")
    assert says in str(caught.value)
    assert str(caught.value).startswith("file.py")
    assert "\n" not in str(caught.value)
