"""An attribute that an object of the user's lacks, or that holds nothing: does any code set it?

What the whole repository says is read: other methods, other classes, and code outside of them.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import re
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any, NamedTuple

from dout.adapt.interface.adapted_layer import is_adapted
from dout.adapt.interface.method_pairs import pairs_of
from dout.adapt.repository.project_files import files_below, repository_root, statements_of
from dout.adapt.search.raising_lines import steps_of
from dout.adapt.source.attribute_reads import (
    asks_for,
    attributes_set,
    attributes_written,
    may_write,
    own_attributes,
    reachable_methods,
    sets_by_name,
)
from dout.adapt.source.syntax import name_of
from dout.adapt.target import Target
from dout.run import attributes_of
from dout.trace.model.user_source import is_user_code


class UnsetAttribute(NamedTuple):
    """An attribute of an object that was None where something was done with it: `self.prev` of `self.prev.output`.

    `elsewhere` says that code sets it which does not run with forward and backward: other code, or a method of its own.
    """

    text: str
    elsewhere: bool
    in_its_class: bool

    @property
    def is_set_anywhere(self) -> bool:
        """Whether anything sets it to something else than None."""
        return self.elsewhere or self.in_its_class


def unset_attribute(error: BaseException) -> UnsetAttribute | None:
    """The attribute of None that an error is about, of an object of the user's; None for any other error."""
    if "'NoneType'" not in str(error) or not (way := steps_of(error)):
        return None
    frame, line = way[-1].tb_frame, way[-1].tb_lineno
    for text in re.findall(r"[A-Za-z_]\w*\.[\w.]+", linecache.getline(frame.f_code.co_filename, line)):
        first, *names = text.split(".")
        value = frame.f_locals.get(first)
        for number, name in enumerate(names):
            held = attributes_of(value)
            if name in held and held[name] is None:
                return _unset(value, name, ".".join((first, *names[: number + 1])))
            value = held.get(name)
    return None


def _unset(owner: Any, name: str, text: str) -> UnsetAttribute | None:
    theirs = _users_bases(type(owner))
    files = [file for file in map(file_of, theirs) if file]
    if not files:
        return None
    runs = _run_by_a_layer(theirs[0])
    own = [method for base in theirs for method in vars(base).values() if inspect.isfunction(method)]
    setting = {method.__name__ for method in own if name in attributes_set(method)}
    roots = dict.fromkeys(map(repository_root, files))
    return UnsetAttribute(text, bool(setting - runs) or any(_is_given(root, name) for root in roots), bool(setting))


def is_left_empty(cls: type, name: str, beside: Set[str], is_array: bool) -> bool:
    """Whether a constructor makes an attribute, and neither other methods of the class nor other code write it.

    It makes one of those `beside` it, too: a base class may have a place for what a class has not. A method may write
    into an array that it hands on, or by a name that it computes; and what the file asks for may be None on purpose.
    """
    theirs = _users_bases(cls)
    backwards = {backward for _, backward in pairs_of(theirs[0])}
    files = [*filter(None, map(file_of, theirs))]
    made = [own_attributes(vars(base).get("__init__"))[1] for base in theirs]
    if not any(name in attributes and beside & attributes for attributes in made):
        return False
    for method in reachable_methods(theirs):
        reads, writes = own_attributes(method)
        written = may_write(method) if is_array else writes if method.__name__ in backwards else reads | writes
        if sets_by_name(method) or (method.__name__ != "__init__" and name in written):  # None stays None in a backward
            return False
    if any(asks_for([node for s in statements_of(file) for node in ast.walk(s)], name) for file in files):
        return False
    properties = [(key, item.fset) for base in theirs for key, item in vars(base).items() if isinstance(item, property)]
    names = {name, *(key for key, setter in properties if setter is not None and name in own_attributes(setter)[1])}
    return not any(_is_given(repository_root(file), one) for file in files for one in names)


def writer_of(cls: type, name: str) -> str:
    """The method of a class that writes an attribute, other than those that run with forward and backward, or ""."""
    theirs = _users_bases(cls)
    runs = _run_by_a_layer(theirs[0])
    others = (method for method in reachable_methods(theirs) if method.__name__ not in runs)
    return next((method.__name__ for method in others if name in attributes_written(method)), "")


def never_written(cls: type, is_meant: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Yield the meant attributes that a method reads, and that nothing but a constructor writes, with the method.

    What the file asks for may be None on purpose, and a method may write by a name that it computes.
    """
    theirs = _users_bases(cls)
    methods = [*reachable_methods(theirs)]
    if any(map(sets_by_name, methods)):
        return
    written = {name for m in methods if m.__name__ != "__init__" for name in own_attributes(m)[1]}
    files = [*filter(None, map(file_of, theirs))]
    nodes = [node for file in files for statement in statements_of(file) for node in ast.walk(statement)]
    for method in methods:
        for name in filter(is_meant, own_attributes(method)[0] - written):
            is_open = hasattr(cls, name) or asks_for(nodes, name)
            if not (is_open or any(_is_given(repository_root(file), name) for file in files)):
                yield name, method.__name__


def lacks_attribute(message: str, target: Target) -> bool:
    """Whether an error says that a layer itself lacks an attribute, and nothing in its repository ever makes it."""
    found = re.search(r"'(\w+)' object has no attribute '(\w+)'", message)
    if found is None or found[1] not in {base.__name__ for base in target.cls.__mro__}:
        return False
    return is_never_made(target.cls, found[2])


def completed_by(cls: type, error: BaseException | None) -> str:
    """The class derived from `cls` that makes an attribute which `cls` lacks; empty where it makes it itself."""
    found = re.search(r"'(\w+)' object has no attribute '(\w+)'", str(error))
    if not isinstance(error, AttributeError) or found is None or found[1] != cls.__name__:
        return ""
    if any(_makes(base, found[2]) for base in cls.__mro__):
        return ""
    below: list[type] = type.__subclasses__(cls)
    for one in below:
        below += type.__subclasses__(one)
    return next((one.__qualname__ for one in below if not is_adapted(one) and _makes(one, found[2])), "")


def _makes(cls: type, name: str) -> bool:
    """Whether a class defines an attribute, or one of its methods sets it."""
    return name in vars(cls) or any(name in attributes_set(item) for item in vars(cls).values() if callable(item))


def is_never_made(cls: type, name: str) -> bool:
    """Whether nothing in the repository may set it of such an object, and no class of the object, or below, has it."""
    files = [file_of(base) for base in cls.__mro__ if base.__module__ not in ("builtins", "abc", "typing")]
    own = _users_bases(cls)
    below: list[type] = type.__subclasses__(own[0]) if own else []
    if not (files and all(files)) or any(name in vars(sub) for sub in below):  # a library's object, or a base's
        return False
    names = tuple(base.__name__ for base in own)
    return not any(_is_made(root, name, names) for root in dict.fromkeys(map(repository_root, files)))


@functools.lru_cache(maxsize=64)
def _is_made(root: Path, name: str, classes: tuple[str, ...]) -> bool:
    """Whether anything may set it on an object of a class, or nothing names it: then `getattr` made its name of others.

    `classes` are those of the object, its own first. What another class sets of itself says nothing of these.
    """
    others = {id(node) for node in _of_other_classes(root, classes)}
    nodes = [*nodes_below(root)]
    is_named = any(isinstance(node, ast.Attribute) and node.attr == name for node in nodes)
    return not is_named or any(_sets(node, name) for node in nodes if id(node) not in others)


def _of_other_classes(root: Path, classes: tuple[str, ...]) -> Iterator[ast.AST]:
    """What other classes do with `self`: none of these, nor one derived from the first, nor a base of one."""
    written = [node for node in nodes_below(root) if isinstance(node, ast.ClassDef)]
    bases: dict[str, set[str]] = {}
    for node in written:
        bases.setdefault(node.name, set()).update(map(name_of, node.bases))
    below = {classes[0]}
    while more := {name for name, theirs in bases.items() if theirs & below} - below:
        below |= more
    family = below | {*classes}
    while more := {base for name in family for base in bases.get(name, ())} - family:
        family |= more
    for part in (part for one in written if one.name not in family for part in ast.walk(one)):
        match part:
            case ast.Attribute(value=ast.Name(id="self")) | ast.FunctionDef(name="__getattr__"):
                yield part
            case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id="self"), *_]):
                yield part


@functools.lru_cache(maxsize=64)
def _is_given(root: Path, name: str) -> bool:
    """Whether anything sets an attribute of this name on another object than its own, `layer.prev = …`."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.ctx, ast.Store)
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
        for node in nodes_below(root)
    )


def _users_bases(cls: type) -> list[type]:
    """A class and its bases, without what adapts them and without `object`."""
    return [base for base in cls.__mro__[:-1] if not is_adapted(base)]


def _run_by_a_layer(cls: type) -> set[str]:
    """The methods of a class that run when a layer of it is built, and goes forward and back."""
    return {"__init__", *(method for pair in pairs_of(cls) for method in pair)}


def nodes_below(root: Path) -> Iterator[ast.AST]:
    """All that the code of a repository consists of."""
    return (node for path in files_below(root) for statement in statements_of(path) for node in ast.walk(statement))


def file_of(cls: type) -> str:
    """The file of the user's in which a class is written; "" of any other class."""
    try:
        file = inspect.getsourcefile(cls) or ""
    except (TypeError, OSError):
        return ""
    return file if is_user_code(file) else ""


def _sets(node: ast.AST, name: str) -> bool:
    """Whether this sets an attribute of this name on anything, or one of a name that may be any."""
    match node:
        case ast.Attribute(attr=attribute, ctx=ast.Store()):
            return attribute == name
        case ast.Call(func=ast.Name(id="setattr"), args=[_, key, *_]):
            return not isinstance(key, ast.Constant) or key.value == name
        case ast.Attribute(attr="__dict__") | ast.FunctionDef(name="__getattr__"):
            return True
    return False
