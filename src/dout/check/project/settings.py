"""What a user settles once: `[tool.dout]` in pyproject.toml, and which codes are asked for."""

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
            raise TargetError(f"{where}: no code begins with {prefix}; they are {', '.join(finding_pages.codes())}")
    return found


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
            return _Reader(file, table).settings()
    return Settings(root=folder)


class _Reader:
    """Reads the table, and says where it is wrong."""

    def __init__(self, file: Path, table: Any) -> None:
        self.file, self.table = file, table

    def settings(self) -> Settings:
        known = ("select", "ignore", "strict", "exclude", "timeout", "memory", "per-file-ignores")
        if not isinstance(self.table, dict):
            raise TargetError(f"{self.file}: [tool.dout] is not a table")
        for key in self.table:
            if key not in known:
                raise TargetError(f"{self.file}: [tool.dout] has no {key!r}; it has {', '.join(known)}")
        default = Settings()
        return Settings(
            select=self._codes("select", self.table.get("select", [])),
            ignore=self._codes("ignore", self.table.get("ignore", [])),
            strict=self._of(bool, "strict", "true or false", default.strict),
            exclude=self._texts("exclude", self.table.get("exclude", [])),
            timeout=float(self._of((int, float), "timeout", "a number of seconds", default.timeout)),
            memory=float(self._of((int, float), "memory", "a number of GB", default.memory)),
            per_file={
                pattern: self._codes(f"per-file-ignores.{pattern}", value)
                for pattern, value in self._of(dict, "per-file-ignores", "a table", {}).items()
            },
            root=self.file.parent,
        )

    def _of(self, kind: Any, key: str, what: str, default: Any) -> Any:
        value = self.table.get(key, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TargetError(f"{self.file}: [tool.dout] {key} is not {what}")
        if isinstance(value, int | float) and value < 0:
            raise TargetError(f"{self.file}: [tool.dout] {key} is below 0")
        return value

    def _texts(self, key: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise TargetError(f"{self.file}: [tool.dout] {key} is not a list of texts")
        return tuple(value)

    def _codes(self, key: str, value: Any) -> tuple[str, ...]:
        return codes(",".join(self._texts(key, value)), f"{self.file}: [tool.dout] {key}")
