"""The settings of a project: `[tool.dout]` in pyproject.toml, and the codes to report."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from dout.check.report import finding_pages
from dout.check.report.verdicts import Finding
from dout.errors import TargetError

TIMEOUT = 20.0  # seconds
MEMORY = 2.0  # GB
_KINDS = {
    "select": "codes", "ignore": "codes", "strict": "flag", "exclude": "texts", "timeout": "seconds", "memory": "GB",
}  # fmt: skip
_ALWAYS = "D0"  # why a layer was not judged is not a matter of choice, unless it is ignored by name


@dataclass(frozen=True)
class Settings:
    """Codes are prefixes, `D2` or `D201`; the longest that fits a code decides, and of two alike `ignore`.

    `per_file` maps patterns of paths to codes ignored there, `exclude` are patterns of files and folders that are not
    looked into; `timeout` is in seconds, `memory` in GB, and 0 is no limit.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    strict: bool = False
    exclude: tuple[str, ...] = ()
    timeout: float = TIMEOUT
    memory: float = MEMORY
    per_file: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    root: Path = field(default_factory=Path)

    def wants(self, finding: Finding) -> bool:
        """Whether a finding is to be reported."""
        code = finding.code
        selected = max((len(p) for p in self.select if code.startswith(p)), default=-1)
        if not self.select or code.startswith(_ALWAYS):
            selected = max(selected, 0)
        left_out = (*self.ignore, *self._ignored_in(finding.file))
        ignored = max((len(p) for p in left_out if code.startswith(p)), default=-1)
        return selected > ignored

    def _ignored_in(self, file: str | None) -> tuple[str, ...]:
        if file is None or not self.per_file:
            return ()
        return tuple(c for pattern, codes in self.per_file.items() if matches(file, pattern, self.root) for c in codes)

    def but(self, **given: Any) -> Settings:
        """These settings, with those given on the command line in their place; None is not given."""
        return replace(self, **{key: value for key, value in given.items() if value is not None})


def matches(file: str | Path, pattern: str, root: Path) -> bool:
    """Whether a path, or a part of it, fits a pattern like `build`, `tests/*` or `**/old_*.py`, as seen from `root`."""
    path = Path(file).absolute()
    try:
        path = path.relative_to(root.absolute())
    except ValueError:
        return fnmatch(path.as_posix(), pattern)
    pattern = pattern.rstrip("/")
    parents = [path, *list(path.parents)[:-1]]
    return any(fnmatch(p.as_posix(), pattern) for p in parents) or any(fnmatch(part, pattern) for part in path.parts)


def codes(text: str, where: str) -> tuple[str, ...]:
    """Codes or prefixes of codes, separated by commas. Raises TargetError for one that fits no code.

    >>> codes("D2, D101", "--select")
    ('D2', 'D101')
    """
    found = tuple(part.strip().upper() for part in text.split(",") if part.strip())
    for prefix in found:
        if not any(code.startswith(prefix) for code in finding_pages.codes()):
            raise TargetError(f"{where}: no code begins with {prefix}; the codes are {_ranges()}")
    return found


def known_code(text: str) -> str:
    """A code, however it is written. Raises TargetError where there is none."""
    code = text.strip().upper()
    if code not in finding_pages.codes():
        raise TargetError(f"there is no code {code}; the codes are {_ranges()}")
    return code


def _ranges() -> str:
    """The codes, those of one kind as a range: `D001…D004`."""
    kinds: dict[str, list[str]] = {}
    for code in finding_pages.codes():
        kinds.setdefault(code[:2], []).append(code)
    return ", ".join(f"{kind[0]}…{kind[-1]}" for kind in kinds.values())


def read_settings(folder: Path) -> Settings:
    """The settings of the nearest pyproject.toml with [tool.dout], in `folder` or above it.

    Raises TargetError naming the file and the key that is not one, or holds the wrong kind of value.
    """
    for parent in (folder.absolute(), *folder.absolute().parents):
        file = parent / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("dout")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise TargetError(f"{file} cannot be read: {error}") from None
        if table is not None:
            return _settings(table, f"{file}: [tool.dout]", parent)
    return Settings(root=folder)


def _settings(table: Any, where: str, root: Path) -> Settings:
    """The settings that a table holds; `where` says in a message which table that is."""
    _expect(isinstance(table, dict), where, "is not a table")
    known = (*_KINDS, "per-file-ignores")
    for key in table:
        _expect(key in known, where, f"has no {key!r}; its keys are {', '.join(known)}")
    found = {key: _value(table[key], kind, f"{where} {key}") for key, kind in _KINDS.items() if key in table}
    patterns = table.get("per-file-ignores", {})
    _expect(isinstance(patterns, dict), where, 'per-file-ignores is not a table; write "tests/*" = ["D2"]')
    per_file = {key: _value(item, "codes", f"{where} per-file-ignores.{key}") for key, item in patterns.items()}
    return Settings(**found, per_file=per_file, root=root)


def _value(value: Any, kind: str, where: str) -> Any:
    if kind == "flag":
        _expect(isinstance(value, bool), where, "is not true or false")
    elif kind in ("seconds", "GB"):
        _expect(isinstance(value, int | float) and not isinstance(value, bool), where, f"is not a number of {kind}")
        _expect(value >= 0, where, "is below 0; write 0 for no limit")
        return float(value)
    else:
        is_texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        _expect(is_texts, where, 'is not a list of texts; write ["…"]')
        return codes(",".join(value), where) if kind == "codes" else tuple(value)
    return value


def _expect(is_right: bool, where: str, otherwise: str) -> None:
    if not is_right:
        raise TargetError(f"{where} {otherwise}")
