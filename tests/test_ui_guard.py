"""What the gate lets pass: hosts, origins, sites, routes, bodies; and what it says of each answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat.ui.guard import FORM, HEADERS, MAX_BODY, Guard

HOST = "127.0.0.1:7860"
JSON = {"content_type": "application/json"}


def ask(
    path: str = "/en/",
    method: str = "GET",
    *,
    more: Sequence[tuple[bytes, bytes]] = (),
    body: Sequence[bytes] = (b"",),
    **headers: str,
) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status and headers of the answer, and the scope that the application was given."""
    sent: list[Any] = []
    seen: dict[str, Any] = {}
    chunks = [{"type": "http.request", "body": b, "more_body": True} for b in body]
    chunks[-1]["more_body"] = False

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return chunks.pop(0)

    usual = {"host": HOST} | {key.replace("_", "-"): value for key, value in headers.items()}
    raw = [(key.encode(), value.encode("latin-1")) for key, value in usual.items()]
    scope = {"type": "http", "path": path, "method": method, "headers": [*raw, *more]}
    guard = Guard(app, hosts=frozenset({HOST, "localhost:7860"}))
    asyncio.run(guard(scope, receive, send))
    return sent[0]["status"], {k.decode(): v.decode() for k, v in sent[0]["headers"]}, seen


def test_the_page_itself_passes_the_guard_and_is_contained() -> None:
    status, headers, _ = ask(sec_fetch_site="same-origin", origin=f"http://{HOST}")
    assert status == 200
    assert headers == HEADERS
    assert "unsafe-eval" not in headers["content-security-policy"]
    assert ask("/en/gradio_api/queue/join", "POST", content_length="100", **JSON)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1:1"},
        {"host": "127.0.0.1"},
        {"host": HOST.replace("127.0.0.1", "127.1")},
        {"host": f"{HOST}.evil.example"},
        {"host": ""},
    ],
)
def test_a_rebound_name_does_not_pass_the_guard(headers: dict[str, str]) -> None:
    status, answered, seen = ask(**headers)
    assert (status, seen) == (403, {})
    assert answered == HEADERS


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:7860"},
        {"origin": f"https://{HOST}"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
        {"sec_fetch_site": "same-site", "sec_fetch_mode": "cors"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "object"},
    ],
)
def test_other_sites_do_not_pass_the_guard(headers: dict[str, str]) -> None:
    status, answered, seen = ask(**headers)
    assert (status, seen) == (403, {})
    assert answered == HEADERS


def test_a_link_from_elsewhere_may_open_the_page_but_not_post_to_it() -> None:
    foreign = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert ask(**foreign)[0] == 200
    assert ask(method="POST", content_length="1", **foreign, **JSON)[0] == 403


@pytest.mark.parametrize("name", [b"host", b"origin"])
def test_a_header_that_comes_twice_is_refused(name: bytes) -> None:
    mine = {b"host": HOST.encode(), b"origin": f"http://{HOST}".encode()}[name]
    assert ask(more=[(name, mine), (name, b"http://evil.example")])[0] == 403


@pytest.mark.parametrize("kind", ["text/plain", FORM, "multipart/form-data", ""])
def test_a_form_or_a_beacon_cannot_speak_for_the_page(kind: str) -> None:
    for path in ("/votes", "/label/later", "/en/gradio_api/queue/join", "/en/gradio_api/run/predict"):
        assert ask(path, "POST", content_type=kind)[0] == 415
        assert ask(path, "POST", content_type=f"{kind}; application/json")[0] == 415
    assert ask("/login", "POST", content_type=FORM)[0] == 200


@pytest.mark.parametrize(
    "route",
    [
        "upload", "upload_progress", "file=/etc/passwd", "file/etc/passwd", "proxy=http://a.b", "monitoring",
        "monitoring/summary", "stream/a/b/c/playlist.m3u8", "component_server", "process_recording", "reset",
        "call/chat", "call/v2/chat", "api/predict", "run/chat", "queue/status", "deep_link", "openapi.json",
        "runs", "run-history/buckets", "run-history/connect", "vibe-code", "profiling/summary", "mcp",
        "mcp/sse", "user", "token", "app_id", "login_check", "custom_component/1/client/x/y", "dev/reload",
        "queue/data/", "heartbeat/../upload",
    ],
)  # fmt: skip
def test_unused_routes_are_closed(route: str) -> None:
    for method in ("GET", "POST"):
        assert ask(f"/en/gradio_api/{route}", method, **JSON)[0] == 404
        assert ask(f"/it/{route}", method, **JSON)[0] == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_the_page_uses_no_other_methods(method: str) -> None:
    assert ask(method=method)[0] == 405


@pytest.mark.parametrize(
    "path", ["/en/static/../config", "/en/static/..%2f", "/%00", "/en/static/\0", "/en/\n"]
)
def test_a_path_that_climbs_or_hides_is_closed(path: str) -> None:
    assert ask(path)[0] == 404 or "%" in path


@pytest.mark.parametrize("length", ["999999999", "-1", "1e3", "٣", " 1"])
def test_a_body_that_says_it_is_too_long_is_refused(length: str) -> None:
    raw = [(b"content-length", length.encode("utf-8"))]
    assert ask("/votes", "POST", more=raw, **JSON)[0] == 413


def test_a_body_in_chunks_is_counted_as_it_comes() -> None:
    half = b"x" * (MAX_BODY // 2)
    assert ask("/votes", "POST", body=[half, half], **JSON)[0] == 200
    status, headers, _ = ask("/votes", "POST", body=[half, half, b"x", b"never read"], **JSON)
    assert (status, headers) == (413, HEADERS)


def test_no_forwarded_header_is_believed() -> None:
    names = ("forwarded", "x_forwarded_host", "x_forwarded_proto", "x_forwarded_for", "x_real_ip")
    *_, seen = ask(**dict.fromkeys(names, "evil.example"))
    assert [name for name, _ in seen["headers"]] == [b"host"]
    assert ask(x_forwarded_host=HOST, host="evil.example")[0] == 403


def test_a_web_socket_is_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Guard(None, hosts=frozenset())({"type": "websocket"}, None, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]


@given(st.text(max_size=40).filter(lambda text: text not in (HOST, "localhost:7860")))
def test_whatever_host_or_origin_is_written_only_the_pages_own_pass(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass").decode("latin-1")
    assert ask(host=raw)[0] == 403
    assert ask(origin=raw)[0] == 403


@given(st.text(max_size=60), st.sampled_from(["/en/", "/en/gradio_api/", "/it/static/", "/", ""]))
def test_whatever_path_is_written_the_guard_answers_and_contains(text: str, start: str) -> None:
    status, headers, seen = ask(start + text)
    assert status in (200, 404)
    assert headers == HEADERS
    assert not seen or ".." not in seen["path"]
