"""A file as the program `__main__`: where its imports count from, and the arguments that it is started with."""

from __future__ import annotations

import argparse
import ast
import contextlib
import inspect
import linecache
import os
import re
import sys
from collections.abc import Callable, Container, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from dout.trace.model.user_source import asking_user, is_user_code
from dout.trace.model.uses_of_answers import is_guarded
from dout.trace.program import project_root

_HAS_ANSWER = frozenset({"IndexError", "LookupError", "Exception", "BaseException"})
_NOT_NEEDED = ("*", argparse.PARSER, argparse.REMAINDER)
_PLAIN = "1"  # for an argument of which nothing is known: a number and a name


@contextlib.contextmanager
def as_main(path: Path, text: str, arguments: Sequence[str], said: Callable[[str], None]) -> Iterator[ModuleType]:
    """The module `__main__` for a program in this file, while it lasts.

    Its imports are looked for in its folder and where they count from, and one that imports from its own package is
    run as a part of it, as `python -m` does. An argument that it needs and was not given is made up: `said` hears.
    """
    os.environ.setdefault("MPLBACKEND", "Agg")  # plt.show() must not wait for a person
    linecache.checkcache(str(path))
    main, home = ModuleType("__main__"), project_root.home(path, text)
    main.__file__ = str(path.absolute())
    main.__package__ = home.name.rpartition(".")[0] or None if "from ." in text else None
    own = str(path.resolve().parent)
    folders = [*home.folders, own] if "from ." in text else [own, *home.folders]  # a program looks into its own first
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)\.", text, re.MULTILINE))
    packages = imported & {path.stem, Path(own).name}
    kept = sys.modules.get("__main__"), sys.argv, argparse.ArgumentParser.parse_known_args
    sys.modules["__main__"], sys.argv = main, _Arguments([str(path), *arguments], said)
    argparse.ArgumentParser.parse_known_args = _with_what_it_needs(kept[2], said)  # type: ignore[method-assign]
    try:
        with importing_from(folders), _packages_beside(path, packages):
            yield main
    finally:
        if kept[0] is not None:
            sys.modules["__main__"] = kept[0]
        sys.argv, argparse.ArgumentParser.parse_known_args = kept[1:]  # type: ignore[method-assign]


@contextlib.contextmanager
def importing_from(folders: Sequence[str]) -> Iterator[None]:
    """Look for imports in these folders first, while it lasts."""
    folders = list(dict.fromkeys(folders))
    sys.path[:0] = folders
    try:
        yield
    finally:
        for folder in folders:
            if folder in sys.path:
                sys.path.remove(folder)


@contextlib.contextmanager
def _packages_beside(path: Path, packages: Container[str]) -> Iterator[None]:
    """While it lasts, let `net/net.py` and `net/train.py` import from the package `net`."""

    def find_spec(name: str, within: Any = None, target: Any = None) -> ModuleSpec | None:
        elsewhere = [folder for folder in sys.path if Path(folder).resolve() != path.resolve().parent]
        return PathFinder.find_spec(name, elsewhere) if name in packages else None

    finder: Any = SimpleNamespace(find_spec=find_spec)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Arguments(list[str]):
    """`sys.argv`, with an answer for arguments that were not given."""

    def __init__(self, items: Sequence[str], said: Callable[[str], None]) -> None:
        super().__init__(items)
        self.said = said

    def __getitem__(self, place: Any) -> Any:
        """The argument at a place."""
        frame = sys._getframe(1)
        file = frame.f_code.co_filename
        given = not isinstance(place, int) or place < len(self)
        if given or not is_user_code(file) or is_guarded(frame, _HAS_ANSWER):
            return super().__getitem__(place)
        answer = _compared_with(f"sys.argv[{place}]", "".join(linecache.getlines(file)))
        self.said(f"sys.argv[{place}] was answered with {answer!r}: give arguments after --")
        return answer


def _compared_with(expression: str, text: str) -> str:
    """The first text that a program compares an expression with, or the name of it: `mode = sys.argv[1].lower()`."""
    nodes = list(ast.walk(ast.parse(text)))
    holding = [n for n in nodes if isinstance(n, ast.Assign) and ast.unparse(n.value).startswith(expression)]
    held = {expression, *(ast.unparse(target) for node in holding for target in node.targets)}
    for node in nodes:
        if isinstance(node, ast.Compare) and ast.unparse(node.left) in held:
            words = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            if words:
                return words[0]
    return _PLAIN


def _with_what_it_needs(parse: Callable[..., Any], said: Callable[[str], None]) -> Callable[..., Any]:
    """`ArgumentParser.parse_known_args`, with answers for what a program needs."""

    def answer(parser: argparse.ArgumentParser, *args: Any, **options: Any) -> Any:
        needed = [a for a in parser._actions if a.required or (a.choices and a.default is None)]  # one of them is meant
        needed = [a for a in needed if a.nargs not in _NOT_NEEDED]
        if asking_user(sys._getframe(1), lambda file: file in (argparse.__file__, __file__)) is None:
            return parse(parser, *args, **options)  # a library asks, for itself
        command = next((a for a in parser._actions if a.required and a.nargs == argparse.PARSER), None)
        if command is not None and args[:1] in ((), (None,)) and len(sys.argv) == 1:
            args = ([next(iter(command.choices or ()), _PLAIN)], *args[1:])
            said(f"{command.dest} was answered with {args[0][0]!r}: give arguments after --")
        for action in needed:
            action.required, action.default = False, _answer(action)
            if not action.option_strings:
                action.nargs = "*" if action.nargs == "+" else action.nargs or "?"
        found, rest = parse(parser, *args, **options)
        for action in needed:
            if getattr(found, action.dest, None) is action.default:
                name = "/".join(action.option_strings) or action.dest
                said(f"{name} was answered with {action.default!r}: give arguments after --")
        return found, rest

    return answer


def fire(component: Any = dict, *args: Any, **options: Any) -> Any:
    """What stands for `fire.Fire`: call a function with the arguments of the program, and with 1 for what it needs."""
    given: list[Any] = []
    named: dict[str, Any] = {}
    words = list(sys.argv[1:])
    while words:
        name, _, value = words.pop(0).partition("=")
        if not name.startswith("--"):
            given.append(_literal(name))
        else:
            value = value or (words.pop(0) if words and not words[0].startswith("--") else "True")
            named[name[2:].replace("-", "_")] = _literal(value)
    wanted = inspect.signature(component).parameters.values() if inspect.isfunction(component) else ()
    for parameter in [*wanted][len(given) :]:
        is_asked = parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if is_asked and parameter.name not in named:
            named[parameter.name] = _literal(_PLAIN)
            sys.argv.said(f"{parameter.name} was answered with {_PLAIN}: give arguments after --")  # type: ignore[attr-defined]
    return component(*given, **named)


def _literal(word: str) -> Any:
    """A word of the command line as the value that it writes; itself if it writes none."""
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return word


def _answer(action: argparse.Action) -> Any:
    """A value that an argument may have."""
    if action.choices:
        return next(iter(action.choices))
    one: Any = _PLAIN
    if callable(action.type):
        with contextlib.suppress(ValueError, TypeError, argparse.ArgumentTypeError):
            one = action.type(_PLAIN)
    return [one] * (action.nargs if isinstance(action.nargs, int) else 1) if action.nargs not in (None, "?") else one
