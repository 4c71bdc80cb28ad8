"""Pages for formulas that are typed in a browser: a server that only this machine has.

It computes for whoever asks, so it listens on the loopback address alone, knows only
the address with its token, and no other site's requests; all that it reads is the text
of a formula and of a rule.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from symgd.errors import SymgdError
from symgd.objectives.meant import objective_of
from symgd.pages import content
from symgd.pages.document import asset, filled, policy, written
from symgd.rules.rule import Rule

LOOPBACK = "127.0.0.1"
MOST_LETTERS = 20_000  # of a formula or a rule
READ = ("formula", "rule")
EXAMPLE = "(1 - x)**2 + 100*(y - x**2)**2"
EMPTY = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta http-equiv="Content-Security-Policy" content="@POLICY@">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<title>symgd play</title><style>@STYLE@</style></head>"
    '<body><main><header class="panel">@FIELDS@</header></main></body></html>'
)
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Refused(Exception):
    """A request that is not answered: its status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Play:
    """A server of pages, until it is closed.

    Attributes
    ----------
    address : str
        Where it is, with a random token: only who knows it gets an answer.
    """

    def __init__(self, formula: str = EXAMPLE, port: int = 0) -> None:
        self.formula = formula
        self.token = secrets.token_urlsafe(24)
        self._one_at_a_time = threading.Lock()
        self._server = ThreadingHTTPServer((LOOPBACK, port), _handler(self.answer))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.hosts = {f"{LOOPBACK}:{self.port}", f"localhost:{self.port}"}
        self.address = f"http://{LOOPBACK}:{self.port}/{self.token}/"

    def serve(self) -> None:
        """Answer until ``close`` is called in another thread, or Ctrl-C."""
        self._server.serve_forever()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, target: str, host: str | None, origin: str | None) -> str:
        """Return the page that is asked for.

        Raises
        ------
        Refused
            If it is not asked for from a page of this server, or the address bar.
        """
        if host not in self.hosts:
            raise Refused(403)
        if origin is not None and origin not in {f"http://{h}" for h in self.hosts}:
            raise Refused(403)
        parts = urlsplit(target)
        if not hmac.compare_digest(parts.path.encode(), f"/{self.token}/".encode()):
            raise Refused(404)
        with self._one_at_a_time:
            return page_for(**_texts(parts.query, self.formula))


def page_for(formula: str, rule: str) -> str:
    """Return the page of a formula and a rule as texts; errors stand below them."""
    asked: Any = None
    wrong = {}
    if rule.strip():
        try:
            own = Rule.from_text(rule, name="yours")
            asked = [own, *content.USUAL]
        except SymgdError as error:
            wrong["rule"] = str(error)
    try:
        objective = objective_of(formula)
        return written(objective, None, asked, None, _fields(formula, rule, wrong))
    except SymgdError as error:
        wrong["formula"] = str(error)
    parts = {
        "STYLE": asset("page.css"),
        "POLICY": policy([], asset("page.css")),
        "FIELDS": _fields(formula, rule, wrong),
    }
    return filled(EMPTY, parts)


def _texts(query: str, usual: str) -> dict[str, str]:
    """Return the formula and the rule of a query, and nothing else."""
    try:
        given = parse_qs(query, keep_blank_values=True, max_num_fields=len(READ))
    except ValueError:
        raise Refused(400) from None
    if not given.keys() <= {*READ} or any(len(v) > 1 for v in given.values()):
        raise Refused(400)
    texts = {name: values[0].replace("\r\n", "\n") for name, values in given.items()}
    if any(len(text) > MOST_LETTERS for text in texts.values()):
        raise Refused(413)
    return {"formula": usual, "rule": "", **texts}


def _fields(formula: str, rule: str, wrong: dict[str, str]) -> str:
    def error(name: str) -> str:
        told = wrong.get(name)
        return f'<pre role="alert">{escape(told)}</pre>' if told else ""

    shown = " open" if rule.strip() else ""
    return (
        '<form class="fields" method="get" action=""><label>formula '
        f'<textarea name="formula" rows="2" spellcheck="false">{escape(formula)}'
        f"</textarea></label>{error('formula')}<details{shown}><summary>a rule of your "
        'own</summary><textarea name="rule" rows="6" spellcheck="false" aria-label='
        '"rule" placeholder="m = beta*m + g&#10;x = x - step_size*m&#10;with '
        f'step_size=0.01, beta=0.9">{escape(rule)}</textarea>{error("rule")}</details>'
        "<div><button>show</button></div></form>"
    )


def _handler(
    answer: Callable[[str, str | None, str | None], str],
) -> type[BaseHTTPRequestHandler]:
    """Return what http.server calls for a request."""

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "symgd", ""
        timeout = 30

        def do_GET(self) -> None:
            headers = self.headers
            try:
                text = answer(self.path, headers.get("Host"), headers.get("Origin"))
            except Refused as refusal:
                self.send_error(refusal.status)
                return
            body = text.encode()
            self.send_response(200)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: the terminal is for the address."""

    return Handler
