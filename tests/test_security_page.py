"""SECURITY.md names only tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_test_that_the_security_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text("utf-8")))
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 30
    assert named - set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE)) == set()


def test_nothing_opens_an_archive_or_a_pickle() -> None:
    code = [p for folder in ("alignchat", "feedback_store") for p in (ROOT / folder).rglob("*.py")]
    assert len(code) > 100
    unwanted = r"\b(zipfile|tarfile|unpack_archive|pickle|shelve|marshal)\b *(\.|\(|$|as\b|,|import)"
    assert [p.name for p in code if re.search(unwanted, p.read_text("utf-8"), re.MULTILINE)] == []
