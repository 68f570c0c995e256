"""Users of a shared server: names, roles, passwords that are never kept, and the file they are in."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alignchat import accounts, cli
from alignchat.accounts import Accounts, Person
from alignchat.errors import AccountError

SECRET = "a good password"


@pytest.fixture
def users(tmp_path: Path) -> Accounts:
    known = Accounts(tmp_path)
    known.add("anna", "owner", SECRET)
    return known


def test_a_password_opens_only_with_its_own_name(users: Accounts) -> None:
    assert users.check("anna", SECRET) == Person(name="anna", role="owner")
    assert users.check("anna", SECRET + " ") is None
    assert users.check("bruno", SECRET) is None
    assert users.check("anna", "") is None


def test_passwords_are_kept_only_as_salted_hashes_for_the_folders_owner(
    users: Accounts, tmp_path: Path
) -> None:
    users.add("bruno", "annotator", SECRET)
    file = tmp_path / accounts.USERS_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    kept = json.loads(file.read_text("utf-8"))["users"]
    assert SECRET not in file.read_text("utf-8")
    assert kept["anna"]["password"] != kept["bruno"]["password"]
    assert kept["anna"]["password"].startswith("scrypt$32768$8$3$")


def test_another_password_or_none_ends_what_the_old_one_began(users: Accounts) -> None:
    before = users.known("anna")
    users.set_password("anna", "another password")
    assert users.known("anna") != before
    assert users.check("anna", SECRET) is None
    users.add("bruno", "annotator", SECRET)
    users.remove("bruno")
    assert users.known("bruno") is None
    assert [person.name for person in users.people()] == ["anna"]


@pytest.mark.parametrize("name", ["", "Anna", "a b", "../x", "local", "x" * 33, "anna\n", "<b>"])
def test_a_name_is_plain_and_never_the_local_one(users: Accounts, name: str) -> None:
    with pytest.raises(AccountError, match="cannot be a user's name"):
        users.add(name, "owner", SECRET)


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda users: users.add("anna", "owner", SECRET), "There is a user anna already"),
        (lambda users: users.add("bruno", "owner", "short"), "8 to 1024 characters"),
        (lambda users: users.set_password("bruno", SECRET), "There is no user bruno"),
        (lambda users: users.remove("bruno"), "There is no user bruno"),
        (lambda users: (users.add("bruno", "annotator", SECRET), users.remove("anna")), "the only owner"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    users: Accounts, act: Callable[[Accounts], object], sentence: str
) -> None:
    with pytest.raises(AccountError, match=sentence):
        act(users)
    assert users.check("anna", SECRET)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"users": {"anna": {}}}', '{"users": {"a": {"role": "king"}}}']
)
def test_a_damaged_file_of_users_lets_nobody_in(users: Accounts, tmp_path: Path, content: str) -> None:
    (tmp_path / accounts.USERS_FILE).write_text(content, "utf-8")
    for act in (users.people, lambda: users.known("anna"), lambda: users.check("anna", SECRET)):
        with pytest.raises(AccountError, match="mend it"):
            act()


def test_users_are_kept_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
        return cli.main(["--data", str(tmp_path), "users", *arguments, "--json"])

    assert run("add", "anna", "--role", "owner") == run("add", "bruno") == run("password", "bruno") == 0
    assert run("remove", "anna") == 1
    assert "the only owner" in capsys.readouterr().err
    assert run("list") == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "anna", "role": "owner"},
        {"name": "bruno", "role": "annotator"},
    ]
    assert SECRET not in capsys.readouterr().out
