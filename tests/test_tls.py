"""The app over TLS with a certificate of its own making, as a browser on another machine would meet it."""

import http.client
import json
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

from alignchat import config
from alignchat.accounts import Accounts
from alignchat.engine import ScriptedEngine
from alignchat.judging.feedback import Feedback
from alignchat.loop import Loop
from tests.browser import ROOT, address_of, free_port
from tests.tiny_models import write_llama

SECRET = "a good password"


def certify(folder: Path) -> tuple[str, str]:
    """Make a certificate for 127.0.0.1; return it and its key as paths."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "c.pem",
         "-days", "1", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return str(folder / "c.pem"), str(folder / "k.pem")


def test_over_tls_the_page_comes_with_secure_cookies_and_a_vote_is_kept(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    certificate, key = certify(tmp_path)
    Accounts(data).add("anna", "owner", SECRET)
    with Loop.open(config.load(data), lambda: ScriptedEngine(lambda *_: "yes")) as loop:
        reply = [*loop.reply(None, "hello", annotator="anna")][-1].completion_id
    (data / "alignchat.toml").write_text(f'[server]\ncertificate = "{certificate}"\nkey = "{key}"\n')
    model = str(write_llama(tmp_path / "tiny.gguf", tied=False))
    command = [sys.executable, "app.py", "--data", str(data), "--model", model, "--port", str(port)]
    process = subprocess.Popen([*command, "--no-browser"], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        assert address_of(process).startswith(f"https://127.0.0.1:{port}/")
        trusted = ssl.create_default_context(cafile=certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=trusted)
        form = urlencode({"name": "anna", "password": SECRET})
        connection.request("POST", "/login", form, {"content-type": "application/x-www-form-urlencoded"})
        entered = connection.getresponse()
        entered.read()
        cookie = entered.getheader("set-cookie") or ""
        assert cookie.startswith("__Host-")
        assert {"secure", "httponly", "samesite=strict"} <= {
            part.strip().lower() for part in cookie.split(";")
        }
        asked = {"cookie": cookie.partition(";")[0], "content-type": "application/json"}
        connection.request("GET", "/en/", headers=asked)
        page = connection.getresponse()
        assert (page.status, b"alignchat" in page.read()) == (200, True)
        vote = json.dumps({"id": uuid4().hex, "completion_id": reply, "up": True})
        connection.request("POST", "/votes", vote, {**asked, "origin": f"https://127.0.0.1:{port}"})
        assert connection.getresponse().status == 200
        connection.close()
        plain = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        plain.request("GET", "/login")
        try:
            answered = plain.getresponse().status
        except (http.client.HTTPException, OSError):
            answered = 0
        assert answered == 0, "without TLS nothing is answered"
        plain.close()
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
    with Feedback.open(config.load(data)) as feedback:
        assert feedback.stats()["up"] == 1
