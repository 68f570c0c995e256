"""People at the page without a browser: an application behind an open door, and who talks to a served one."""

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from alignchat.accounts import LOCAL, Person
from alignchat.ui.people import PERSON


def as_person(app: Any, person: Person = LOCAL) -> Any:
    """Return an application that every request reaches as one person's."""

    async def entered(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, PERSON: person}, receive, send)

    return entered


@dataclass
class Visitor:
    """Speaks HTTP to a served page, and to gradio's handlers, as a page or an attacker would."""

    port: int
    cookie: str = ""
    language: str = "en"
    session: str = field(default_factory=lambda: uuid4().hex[:11])

    @classmethod
    def opening(cls, url: str) -> "Visitor":
        """Come in by the address with the token."""
        visitor = cls(port=urlsplit(url).port or 0)
        visitor.ask("GET", url.removeprefix(f"http://127.0.0.1:{visitor.port}"))
        return visitor

    @classmethod
    def signing_in(cls, port: int, name: str, password: str) -> "Visitor":
        """Come in by name and password."""
        visitor = cls(port=port)
        form = urlencode({"name": name, "password": password})
        visitor.ask("POST", "/login", form, {"content-type": "application/x-www-form-urlencoded"})
        return visitor

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return status and body; a body that is no text goes as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        content = body if isinstance(body, str | bytes | None) else json.dumps(body)
        usual = {"content-type": "application/json", "cookie": self.cookie, "accept-language": self.language}
        connection.request(method, path, content, usual | dict(headers or {}))
        answer = connection.getresponse()
        if given := answer.getheader("set-cookie"):
            self.cookie = given.partition(";")[0]
        found = answer.status, answer.read()
        connection.close()
        return found

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer."""
        return json.loads(self.ask(method, path, body)[1])

    def page(self) -> "Handlers":
        """Return the handlers of the page."""
        return Handlers(self, self.json("GET", f"/{self.language}/config"))


@dataclass
class Handlers:
    """Gradio's handlers as the page's own description names them."""

    visitor: Visitor
    config: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.parts = {part["id"]: part["props"] for part in self.config["components"]}

    def named(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each handler with what sets it off, as "retrain.click"."""
        for act in self.config["dependencies"]:
            if act["backend_fn"]:
                targets = [
                    f"{self.parts.get(i, {}).get('elem_id') or i}.{event}" for i, event in act["targets"]
                ]
                yield " ".join(str(target) for target in targets), act

    def call(self, name: str, *data: Any, session: str | None = None) -> str:
        """Call the handler that something sets off, the first inputs as given; return all it answered."""
        (act,) = (act for targets, act in self.named() if name in targets.split())
        return self.run(act, data, session=session)

    def run(self, act: Mapping[str, Any], given: Any = (), session: str | None = None) -> str:
        """Run a handler through gradio's queue."""
        rest = [self.parts[i].get("value") for i in act["inputs"]][len(given) :]
        session = session or self.visitor.session
        asked = {"data": [*given, *rest], "fn_index": act["id"], "session_hash": session, "event_data": None}
        base = f"/{self.visitor.language}/gradio_api/queue"
        status, answer = self.visitor.ask("POST", f"{base}/join", asked)
        if status != 200:
            return f"{status} {answer.decode()}"
        return re.sub(
            r"\\u003c", "<", self.visitor.ask("GET", f"{base}/data?session_hash={session}")[1].decode()
        )
