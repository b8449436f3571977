"""The server of `dout exercise serve`: one page, for one learner, on this machine alone.

It listens on 127.0.0.1, and answers who has the token of its address. An answer runs in a process of its own, as
`dout check` runs code; hints are made from the sheet as it was, and never run what was written.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.resources import files
from selectors import EVENT_READ, DefaultSelector
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dout.errors import DoutError
from dout.exercise.grade import graded
from dout.exercise.grade_text import grade_lines
from dout.exercise.page.sheet_pictures import forward_picture, hint_text, wrong_picture
from dout.exercise.sheet import Sheet
from dout.files import page_policy

HOST = "127.0.0.1"
_MOST = 200_000  # bytes that a request may have
_FOLDER = files("dout.exercise.page")
_STYLE, _SCRIPT, _PAGE = (
    _FOLDER.joinpath(f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js", "html")
)


class SheetServer(HTTPServer):
    """Serves sheets, one request after the other: a process is forked for each grade, and no thread may be about."""

    def __init__(self, sheets: Sequence[tuple[str, Sheet]], port: int = 0) -> None:
        self.titles = [title for title, _ in sheets]
        self.sheets = [sheet for _, sheet in sheets]
        self.token = secrets.token_urlsafe(24)
        super().__init__((HOST, port), _Handler)

    def serve(self) -> None:
        """Answer for ever. A connection is read once something has come: browsers open some ahead of need."""
        with DefaultSelector() as waiting:
            waiting.register(self.socket, EVENT_READ)
            while True:
                for key, _ in waiting.select():
                    with suppress(OSError):  # who asked is gone
                        if key.fileobj is self.socket:
                            connection, address = self.get_request()
                            waiting.register(connection, EVENT_READ, address)
                        else:
                            asking: Any = key.fileobj
                            waiting.unregister(asking)
                            self.process_request(asking, key.data)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    def page(self) -> str:
        """The page, with the sheets as data."""
        sheets = [
            {
                "title": title, "name": sheet.name, "around": sheet.around, "key": f"dout-{sheet.name}-{sheet.digest}",
                "answers": ["" if answer.is_blank else answer.text.rstrip("\n") for answer in sheet.answers],
            }
            for title, sheet in zip(self.titles, self.sheets, strict=True)
        ]  # fmt: skip
        data = json.dumps({"token": self.token, "sheets": sheets}).replace("<", "\\u003c")
        return _PAGE.replace("{{style}}", _STYLE).replace("{{script}}", _SCRIPT).replace("{{data}}", data)

    def graded(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The grade of answers, with its lines and a picture of what is wrong."""
        grade = graded(self._written(asked))
        picture = wrong_picture(grade.trace) if grade.trace is not None else ""
        return {"grade": grade.to_json(), "lines": grade_lines(grade, 72), "picture": picture}

    def text(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The file of a sheet with answers."""
        return {"text": self._written(asked).text}

    def hint(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A hint of some degree."""
        return {"text": hint_text(self._sheet(asked).text, min(3, max(1, int(asked["degree"]))))}

    def picture(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The picture of a sheet's forward."""
        return {"picture": forward_picture(self._sheet(asked).text)}

    def _sheet(self, asked: Mapping[str, Any]) -> Sheet:
        return self.sheets[int(asked["sheet"])]

    def _written(self, asked: Mapping[str, Any]) -> Sheet:
        """A sheet with the answers that a request has."""
        sheet = self._sheet(asked)
        written = zip(sheet.answers, map(str, asked["answers"]), strict=True)
        sheet = replace(sheet, answers=tuple(replace(answer, text=_lines_of(text)) for answer, text in written))
        placed = tuple(replace(answer, line=first) for answer, first, _ in sheet.lines_of_answers())
        return replace(sheet, answers=placed)


def _lines_of(text: str) -> str:
    return text.replace("\r\n", "\n").rstrip("\n") + "\n"


@cache
def _policy() -> str:
    """What the page may do: its own style and script, pictures that are data, and to ask this server."""
    return f"{page_policy([_STYLE], _SCRIPT)}; img-src data:; connect-src 'self'"


class _Handler(BaseHTTPRequestHandler):
    server: SheetServer
    timeout = 2  # seconds that the rest of a request may take to arrive

    def do_GET(self) -> None:
        """The page, for who has the token."""
        url = urlsplit(self.path)
        given = parse_qs(url.query).get("token", [""])[0]
        if not self._may_ask(given):
            return
        if url.path == "/":
            self._answer(HTTPStatus.OK, self.server.page(), "text/html")
        else:
            self._answer(HTTPStatus.NOT_FOUND, '{"error": "there is no such page"}')

    def do_POST(self) -> None:
        """A grade, a hint or a picture."""
        answers: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "/grade": self.server.graded, "/hint": self.server.hint, "/picture": self.server.picture,
            "/text": self.server.text,
        }  # fmt: skip
        if not self._may_ask(self.headers.get("X-Dout-Token", "")):
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= _MOST or self.path not in answers:
                raise ValueError
            told = answers[self.path](json.loads(self.rfile.read(length)))
        except (ValueError, ArithmeticError, LookupError, TypeError, RecursionError, OSError):
            self._answer(HTTPStatus.BAD_REQUEST, '{"error": "this request cannot be read"}')
        except DoutError as error:
            self._answer(HTTPStatus.OK, json.dumps({"error": str(error)}))
        else:
            self._answer(HTTPStatus.OK, json.dumps(told))

    def _may_ask(self, token: str) -> bool:
        """Whether a request comes from the page: it has the token, and no other name leads here (DNS rebinding)."""
        hosts = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        allowed = compare_digest(token.encode(), self.server.token.encode()) and self.headers.get("Host") in hosts
        if not allowed:
            self._answer(HTTPStatus.FORBIDDEN, '{"error": "open the address that dout printed, with its token"}')
        return allowed

    def _answer(self, status: HTTPStatus, text: str, kind: str = "application/json") -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        for name, value in (
            ("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(body))),
            ("Content-Security-Policy", _policy()), ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal shows the address alone."""
