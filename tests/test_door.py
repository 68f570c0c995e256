"""Who is let in: by the token in the address, or by name and password; and where the page may be served."""

import asyncio
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from alignchat import config
from alignchat.accounts import LOCAL, Accounts
from alignchat.errors import SettingsError
from alignchat.ui import server
from alignchat.ui.door import TRIES, TRIES_AN_ADDRESS, WINDOW_SECONDS, LoginDoor, TokenDoor
from alignchat.ui.people import PERSON

SECRET = "a good password"
PAGE = {"accept": "text/html"}


class Visitor:
    """Speaks to a door and keeps its cookies as a browser would."""

    def __init__(self, door: Any, address: str = "192.0.2.1") -> None:
        self.door, self.address, self.cookies, self.person = door, address, {}, None
        self.set_cookie = ""

    def ask(
        self, path: str = "/", method: str = "GET", body: bytes = b"", **headers: str
    ) -> tuple[int, Mapping[str, str], str]:
        """Return status, headers and text; `person` is who the application behind the door saw."""
        sent: list[Any] = []
        self.person = None
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        usual = {"cookie": jar, **headers}
        path, _, query = path.partition("?")
        scope = {
            "type": "http", "path": path, "method": method, "query_string": query.encode(),
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in usual.items()],
            "client": (self.address, 1),
        }  # fmt: skip
        asyncio.run(self.door(scope, _receiving(body), _sending(sent)))
        given = {k.decode(): v.decode() for k, v in sent[0].get("headers", ())}
        if set_cookie := given.get("set-cookie"):
            self.set_cookie = set_cookie
            name, _, value = set_cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        self.person = sent[0].get("person")
        return sent[0].get("status", 200), given, sent[-1].get("body", b"").decode()

    def sign_in(self, name: str, password: str) -> int:
        form = urlencode({"name": name, "password": password}).encode()
        return self.ask("/login", "POST", form, **PAGE)[0]


def _receiving(body: bytes) -> Any:
    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    return receive


def _sending(sent: list[Any]) -> Any:
    async def send(message: Any) -> None:
        sent.append(message)

    return send


async def inside(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "person": scope[PERSON]})


# The token


def test_only_the_address_with_the_token_opens_the_page() -> None:
    door = TokenDoor(inside, port=7860)
    visitor = Visitor(door)
    for path in (
        "/",
        "/en/",
        "/votes",
        "/?token=",
        "/?token=wrong",
        f"/?token={door.token}x",
        f"/?t={door.token}",
    ):
        status, _, text = visitor.ask(path, **PAGE)
        assert (status, visitor.person, visitor.cookies) == (401, None, {})
        assert "alignchat is at" in text
    status, headers, _ = visitor.ask(f"/it/?token={door.token}", **PAGE)
    assert (status, headers["location"]) == (303, "/it/")
    assert door.token not in headers["set-cookie"]
    assert headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert visitor.ask("/it/")[0] == 200
    assert visitor.person == LOCAL


def test_two_apps_on_one_machine_keep_their_own_cookies() -> None:
    visitor, doors = Visitor(None), [TokenDoor(inside, port=port) for port in (7860, 7861)]
    for door in doors:
        visitor.door = door
        assert visitor.ask(f"/?token={door.token}")[0] == 303
    for door in doors:
        visitor.door = door
        assert visitor.ask("/en/")[0] == 200
    visitor.door = TokenDoor(inside, port=7860)  # started again: what it gave before is worth nothing
    assert visitor.ask("/en/", **PAGE)[0] == 401


def test_a_token_is_taken_from_no_post_and_leads_nowhere_else() -> None:
    door = TokenDoor(inside, port=7860)
    assert Visitor(door).ask(f"/votes?token={door.token}", "POST")[0] == 401
    assert Visitor(door).ask(f"//evil.example/?token={door.token}")[1]["location"] == "/"


def test_scripts_are_told_in_one_sentence_in_their_language() -> None:
    text = Visitor(TokenDoor(inside, port=1)).ask("/votes", "POST", accept_language="it")[2]
    assert text.startswith('{"error": "Questa pagina si apre solo')


# Name and password


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Accounts:
    known = Accounts(tmp_path_factory.mktemp("users"))
    known.add("anna", "owner", SECRET)
    known.add("bruno", "annotator", SECRET)
    return known


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def door(accounts: Accounts, clock: list[float]) -> LoginDoor:
    return LoginDoor(inside, accounts, port=7860, secure=True, clock=lambda: clock[0])


def test_who_signs_in_is_known_until_they_sign_out(door: LoginDoor) -> None:
    visitor = Visitor(door)
    assert visitor.ask("/en/", **PAGE)[:2][1]["location"] == "/login"
    assert visitor.ask("/votes", "POST")[0] == 401
    _, headers, text = visitor.ask("/login", **PAGE)
    assert 'autocomplete="current-password"' in text
    assert "form-action 'self'" in headers["content-security-policy"]
    assert visitor.sign_in("bruno", SECRET) == 303
    assert visitor.set_cookie.startswith("__Host-alignchat-7860=")
    assert visitor.set_cookie.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
    assert visitor.ask("/en/")[0] == 200
    assert (visitor.person.name, visitor.person.role) == ("bruno", "annotator")
    kept = dict(visitor.cookies)
    assert visitor.ask("/logout", "POST")[0] == 303
    visitor.cookies = kept  # the cookie alone is worth nothing any more
    assert visitor.ask("/votes", "POST")[0] == 401


def test_each_sign_in_has_a_session_of_its_own_and_none_is_taken_from_the_browser(door: LoginDoor) -> None:
    one, two = Visitor(door), Visitor(door)
    one.cookies = two.cookies = {"__Host-alignchat-7860": "fixed"}
    assert one.sign_in("anna", SECRET) == two.sign_in("anna", SECRET) == 303
    values = {visitor.cookies["__Host-alignchat-7860"] for visitor in (one, two)}
    assert "fixed" not in values
    assert Visitor(door).ask("/en/", **PAGE)[0] == 303


def test_a_session_ends_with_time_with_the_password_and_with_the_user(tmp_path: Path) -> None:
    known, now = Accounts(tmp_path), [0.0]
    known.add("anna", "owner", SECRET)
    known.add("bruno", "annotator", SECRET)
    door = LoginDoor(inside, known, port=1, secure=False, clock=lambda: now[0])
    visitor = Visitor(door)
    for end in (
        lambda: known.set_password("bruno", SECRET),
        lambda: now.append(now.pop() + 12 * 3600 + 1),
        lambda: known.remove("bruno"),
    ):
        assert visitor.sign_in("bruno", SECRET) == 303
        assert visitor.ask("/votes")[0] == 200
        end()
        assert visitor.ask("/votes")[0] == 401


def test_tries_are_limited_by_name_and_by_address(door: LoginDoor, clock: list[float]) -> None:
    visitor = Visitor(door)
    assert [visitor.sign_in("bruno", "wrong password") for _ in range(TRIES)] == [403] * TRIES
    assert visitor.sign_in("bruno", SECRET) == 429  # the right one is not looked at
    assert visitor.sign_in("anna", SECRET) == 303
    assert Visitor(door, "192.0.2.2").sign_in("bruno", SECRET) == 303
    clock[0] += WINDOW_SECONDS + 1
    assert visitor.sign_in("bruno", SECRET) == 303


def test_an_address_that_tries_many_names_is_stopped(
    door: LoginDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Accounts, "check", lambda *_: None)  # hashing twenty times takes seconds
    visitor = Visitor(door)
    tried = [visitor.sign_in(f"user{n}", "wrong password") for n in range(TRIES_AN_ADDRESS + 1)]
    assert tried == [403] * TRIES_AN_ADDRESS + [429]


@pytest.mark.parametrize("body", [b"", b"name=anna", b"x" * 20_000, b"name=anna&password=%ff%fe", b"&" * 500])
def test_whatever_form_is_posted_nobody_comes_in(door: LoginDoor, body: bytes) -> None:
    visitor = Visitor(door)
    assert visitor.ask("/login", "POST", body)[0] == 403
    assert visitor.cookies == {}


# Where the page is served


def place(data: Path, *, insecure_lan: bool = False, **settings: Any) -> server.Place:
    return server._place(config.load(data, server=settings), insecure_lan=insecure_lan)


def test_other_machines_are_served_only_with_an_owner_and_tls(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"server\.host .* users add NAME --role owner"):
        place(tmp_path, host="192.0.2.7", insecure_lan=True)
    Accounts(tmp_path).add("anna", "owner", SECRET)
    with pytest.raises(SettingsError, match=r"server\.host .* TLS.* --insecure-lan"):
        place(tmp_path, host="192.0.2.7")
    found = place(tmp_path, host="192.0.2.7", insecure_lan=True)
    assert found.hosts == {"192.0.2.7:7860"}
    assert found.accounts is not None
    with pytest.raises(SettingsError, match=r"server\.names is empty"):
        place(tmp_path, host="0.0.0.0", insecure_lan=True)
    named = place(
        tmp_path, host="0.0.0.0", insecure_lan=True, names=["labels.example.org", "2001:db8::1"], port=80
    )
    assert named.hosts == {"labels.example.org", "[2001:db8::1]"}


def test_a_certificate_is_tried_before_anybody_is_served(tmp_path: Path) -> None:
    Accounts(tmp_path).add("anna", "owner", SECRET)
    with pytest.raises(SettingsError, match="go together"):
        place(tmp_path, host="192.0.2.7", certificate=tmp_path / "c.pem")
    with pytest.raises(SettingsError, match=r"server\.certificate cannot be"):
        place(tmp_path, host="192.0.2.7", certificate=tmp_path / "c.pem", key=tmp_path / "k.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "c.pem",
         "-days", "1", "-subj", "/CN=labels"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    found = place(tmp_path, host="192.0.2.7", certificate=tmp_path / "c.pem", key=tmp_path / "k.pem")
    assert (found.scheme, found.hosts) == ("https", {"192.0.2.7:7860"})


def test_this_machine_asks_for_a_password_too_once_there_are_users(tmp_path: Path) -> None:
    assert place(tmp_path).accounts is None
    Accounts(tmp_path).add("anna", "owner", SECRET)
    assert place(tmp_path).accounts is not None
