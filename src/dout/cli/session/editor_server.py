"""The server of `dout lsp`: what commands print, as an editor shows it. Each command runs in a process of its own."""

from __future__ import annotations

import ast
import asyncio
import json
import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from runpy import run_module
from typing import Any
from urllib.parse import urljoin

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from dout import __version__
from dout.cli.session.warm_process import warm_process
from dout.errors import visible

_LEVELS = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "note": lsp.DiagnosticSeverity.Hint,
}
_SECONDS = 10  # for a derivation
_GRACE = 2.0  # seconds for a process to end
_MEMORY = 2.0  # GB, for the same


@dataclass
class _Page:
    """What is known of an open file: its text when it was checked, the findings and fixes then, derivations since."""

    text: str = ""
    diagnostics: list[lsp.Diagnostic] = field(default_factory=list)
    fixes: list[tuple[lsp.Diagnostic, dict[str, Any]]] = field(default_factory=list)
    derivations: dict[str, str] = field(default_factory=dict)
    process: Any = None
    asked: int = 0  # how many checks have begun


class EditorServer(LanguageServer):
    """Checks the files that an editor opens and saves. What a file becomes while it is edited is not looked at."""

    def __init__(self) -> None:
        super().__init__("dout", __version__, lsp.TextDocumentSyncKind.Incremental)
        self.pages: dict[str, _Page] = {}

    async def check(self, uri: str) -> None:
        """Show what `dout check` finds in a file. A check that is under way is ended: its file has changed."""
        path, page = to_fs_path(uri), self.pages.setdefault(uri, _Page())
        if path is None or not path.endswith(".py"):
            return
        if page.process is not None:
            page.process.terminate()  # it removes what is temporary, and ends its own
        document = self.workspace.get_text_document(uri)
        text = document.source
        page.asked += 1
        mine = page.asked
        printed = await self._output(page, _findings, ["check", path, "--sarif"])
        if printed is None or page.asked != mine or self.pages.get(uri) is not page:
            return  # it was closed, or saved again: what a check printed until it was ended says nothing
        page.text, page.diagnostics, page.fixes, page.derivations = text, [], [], {}
        for result in json.loads(printed)["runs"][0]["results"] if printed else ():
            self._add(page, document, path, result)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, page.diagnostics))

    def _add(self, page: _Page, document: TextDocument, path: str, result: dict[str, Any]) -> None:
        """Take in one result of a SARIF log, if it is about the file itself."""
        for location in result.get("locations", ())[:1]:
            place = location["physicalLocation"]
            if not _is_same(place["artifactLocation"], path):
                return
            line = min(place["region"]["startLine"] - 1, max(len(document.lines) - 1, 0))
            found = lsp.Diagnostic(
                _line(document, line), result["message"]["text"], severity=_LEVELS[result["level"]],
                code=result["ruleId"], source="dout",
            )  # fmt: skip
            page.diagnostics.append(found)
            page.fixes += [(found, fix) for fix in result.get("fixes", ())]

    def fixes(self, uri: str, range_: lsp.Range) -> Iterator[lsp.CodeAction]:
        """The fixes of the findings in some lines, as long as the text is the one that was checked."""
        page, document = self.pages.get(uri, _Page()), self.workspace.get_text_document(uri)
        for found, fix in page.fixes if page.text == document.source else ():
            (change,) = fix["artifactChanges"]
            path = to_fs_path(uri) or ""
            in_range = found.range.start.line <= range_.end.line and range_.start.line <= found.range.end.line
            if in_range and _is_same(change["artifactLocation"], path):
                edits = [_edit(document, replacement) for replacement in change["replacements"]]
                said = fix["description"]["text"]
                yield lsp.CodeAction(
                    f"Fix {found.code}: {said}", kind=lsp.CodeActionKind.QuickFix, diagnostics=[found],
                    edit=lsp.WorkspaceEdit(changes={uri: edits}), is_preferred="look at it" not in said,
                )  # fmt: skip

    async def derivation(self, uri: str, position: lsp.Position) -> str | None:
        """What `dout explain --brief` says of the layer whose backward is named at a position, as Markdown."""
        document, path = self.workspace.get_text_document(uri), to_fs_path(uri)
        name = _layer_at(document, position)
        page = self.pages.setdefault(uri, _Page())
        if name is None or path is None or not Path(path).is_file():
            return None
        if name not in page.derivations:
            printed = await self._output(
                _Page(), _printed_in_silence, ["explain", f"{path}:{name}", "--brief", "--timeout", str(_SECONDS)]
            )
            page.derivations[name] = fenced(printed or "")
        return page.derivations[name] or None

    async def _output(self, page: _Page, target: Any, arguments: list[str]) -> str | None:
        """What a command prints on stdout; None where its process was ended."""
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = page.process = warm_process(target, theirs, arguments)
        await asyncio.to_thread(process.start)
        theirs.close()
        try:
            return str(await asyncio.to_thread(ours.recv))
        except (EOFError, OSError):
            return None
        finally:
            process.terminate()
            await asyncio.to_thread(process.join, _GRACE)
            process.kill()
            await asyncio.to_thread(process.join)
            process.close()
            ours.close()
            if page.process is process:
                page.process = None


def _findings(pipe: Any, arguments: list[str]) -> None:
    """Send what a check of a file prints; nothing of a file that defines no layer, which is not to be run."""
    from dout.check.project.discover import may_define_layers

    if may_define_layers(Path(arguments[1])):
        _printed(pipe, arguments)
    else:
        pipe.send("")


def _printed(pipe: Any, arguments: list[str]) -> None:
    """Send what a command prints on stdout. This process has the editor's stdout, and must not write to it."""
    from dout.cli.output.kept_output import heard

    for descriptor in (0, 1):
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    sys.argv = ["dout", *arguments]
    with heard() as parts, suppress(SystemExit):
        run_module("dout")
    pipe.send("".join(text for is_error, text in parts if not is_error))


def _printed_in_silence(pipe: Any, arguments: list[str]) -> None:
    """The same for a command that runs the user's code in this process: what a check refuses, is refused here."""
    from dout.check.worker.audit_guard import Guard, GuardRules, into_scratch
    from dout.check.worker.sandbox import take_place

    with tempfile.TemporaryDirectory(prefix="dout-") as scratch:
        take_place(_MEMORY)
        into_scratch(GuardRules(scratch))
        Guard(scratch, arguments[1].rpartition(":")[0], lambda text: None).start()
        _printed(pipe, arguments)


def _is_same(artifact: dict[str, str], path: str) -> bool:
    """Whether an artifact of a SARIF log is this file."""
    found = to_fs_path(urljoin(f"{Path.cwd().as_uri()}/", artifact["uri"]))
    return found is not None and os.path.realpath(found) == os.path.realpath(path)


def _line(document: TextDocument, line: int) -> lsp.Range:
    """A whole line, without the space around it."""
    text = document.lines[line].rstrip() if document.lines else ""
    start = len(text) - len(text.lstrip())
    return _range(document, (line, start), (line, len(text)))


def _range(document: TextDocument, *ends: tuple[int, int]) -> lsp.Range:
    """A range between lines and characters, in the units of the editor."""
    start, end = (lsp.Position(line, character) for line, character in ends)
    return document.position_codec.range_to_client_units(document.lines, lsp.Range(start, end))


def _edit(document: TextDocument, replacement: dict[str, Any]) -> lsp.TextEdit:
    region = replacement["deletedRegion"]
    start, end = ((region[f"{end}Line"] - 1, region[f"{end}Column"] - 1) for end in ("start", "end"))
    return lsp.TextEdit(_range(document, start, end), replacement.get("insertedContent", {}).get("text", ""))


def _layer_at(document: TextDocument, position: lsp.Position) -> str | None:
    """The class, with those around it, whose backward is defined at a position."""
    try:
        tree = ast.parse(document.source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    word = document.word_at_position(position)

    def inside(node: ast.AST, names: tuple[str, ...]) -> str | None:
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.ClassDef):
                if (found := inside(each, (*names, each.name))) is not None:
                    return found
            elif isinstance(each, ast.FunctionDef) and names and each.lineno == position.line + 1 and each.name == word:
                return ".".join(names)
        return None

    return inside(tree, ()) if "backward" in word else None


def fenced(text: str) -> str:
    """Text of the user's as Markdown that shows it as it is: in a fence that is longer than any in it."""
    text = visible(text.strip(), keep="\n")
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 0)
    return f"{fence}text\n{text}\n{fence}" if text else ""


def serve() -> None:
    """Serve until the editor ends it."""
    server = EditorServer()

    @server.feature(lsp.INITIALIZE)
    def begin(params: lsp.InitializeParams) -> None:
        folder = to_fs_path(params.root_uri) if params.root_uri else None
        if folder and Path(folder).is_dir():
            os.chdir(folder)

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        await server.check(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        await server.check(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        page = server.pages.pop(params.text_document.uri, None)
        if page is not None and page.process is not None:
            page.process.terminate()
        server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(params.text_document.uri, []))

    quick = lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix])

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, quick)
    def actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        return list(server.fixes(params.text_document.uri, params.range))

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    async def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        text = await server.derivation(params.text_document.uri, params.position)
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text)) if text else None

    server.start_io()
