"""The people who may use one server: names, roles and hashed passwords in `users.json` of the data folder.

Knows no session and no screen. Passwords are hashed by the standard library's scrypt, one of the three that
OWASP's Password Storage Cheat Sheet asks for (N = 2^15, r = 8, p = 3), so that no package is needed for it.
"""

import hashlib
import hmac
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from alignchat.errors import AccountError
from alignchat.files import FileLock, read_json, write_json

Role = Literal["owner", "annotator"]
ROLES: tuple[Role, ...] = get_args(Role)
USERS_FILE = "users.json"
SHORTEST, LONGEST = 8, 1024  # characters of a password
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_COST: Mapping[str, int] = {"n": 2**15, "r": 8, "p": 3}
_NOBODY = f"scrypt$32768$8$3${'00' * 16}${'00' * 32}"
_HASHING = threading.BoundedSemaphore(2)  # each takes 32 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody at the page; `name` is the annotator of what they say."""

    name: str
    role: Role

    @property
    def ratings_of(self) -> str | None:
        """Whose ratings this person sees and changes: an annotator their own; None means everybody's."""
        return None if self.role == "owner" else self.name

    @property
    def talks_of(self) -> frozenset[str] | None:
        """Whose conversations this person sees: their own, an owner also those from before there were users.

        None means all, where there are no users.
        """
        if self == LOCAL:
            return None
        return frozenset([self.name, LOCAL.name] if self.role == "owner" else [self.name])


# Who is there while there are no users: the one at this machine.
LOCAL = Person(name="local", role="owner")


class Accounts:
    """The users of one data folder, read anew each time, so that a change counts at once."""

    def __init__(self, data: Path) -> None:
        self._file = data / USERS_FILE

    def people(self) -> list[Person]:
        """Return all users by name; raise AccountError if the file cannot be read."""
        return [Person(name=name, role=user["role"]) for name, user in sorted(self._users().items())]

    def known(self, name: str) -> tuple[Person, str] | None:
        """Return a user, and what changes when the password does; None if there is no such user."""
        user = self._users().get(name)
        return (Person(name=name, role=user["role"]), user["password"]) if user else None

    def add(self, name: str, role: Role, password: str) -> None:
        """Add a user; raise AccountError if the name is taken, or name or password cannot be."""
        if not _NAME.fullmatch(name) or name == LOCAL.name:
            raise AccountError(
                f"{name[:40]!r} cannot be a user's name: take up to 32 small letters, digits, . _ and -, "
                f"not {LOCAL.name}."
            )
        with self._changing() as users:
            if name in users:
                raise AccountError(f"There is a user {name} already; users password {name} sets a new one.")
            users[name] = {"role": role, "password": _hashed(_allowed(password))}

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password; whoever is signed in under the name is signed out."""
        with self._changing() as users:
            self._require(users, name)["password"] = _hashed(_allowed(password))

    def remove(self, name: str) -> None:
        """Remove a user, who is signed out; what they said stays. Raise AccountError for the last owner."""
        with self._changing() as users:
            self._require(users, name)
            del users[name]
            if users and not any(user["role"] == "owner" for user in users.values()):
                raise AccountError(f"{name} is the only owner; add another owner first.")

    def check(self, name: str, password: str) -> Person | None:
        """Return the user whose password this is, else None; an unknown name takes as long."""
        user = self._users().get(name)
        right = _matches(password[:LONGEST], user["password"] if user else _NOBODY)
        return Person(name=name, role=user["role"]) if user and right else None

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """Read the users, let them be changed, and write them for the owner of the folder alone."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._file.with_name(f"{USERS_FILE}.lock"))
        if not lock.acquire():
            raise AccountError("Another program is changing the users right now; try again.")
        try:
            users = self._users()
            yield users
            write_json(self._file, {"users": users}, mode=0o600)
        finally:
            lock.release()

    def _require(self, users: dict[str, Any], name: str) -> dict[str, Any]:
        if name not in users:
            raise AccountError(f"There is no user {name[:40]}; users list names them.")
        user: dict[str, Any] = users[name]
        return user

    def _users(self) -> dict[str, Any]:
        try:
            users: dict[str, Any] = read_json(self._file)["users"]
            for user in users.values():
                if user["role"] not in ROLES or not isinstance(user["password"], str):
                    raise ValueError("a user has no such role")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise AccountError(f"{self._file} cannot be read ({error}); mend it or move it away.") from error
        return users


def _allowed(password: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError(f"A password has {SHORTEST} to {LONGEST} characters; choose another one.")
    return password


def _hashed(password: str) -> str:
    salt = os.urandom(16)
    return f"scrypt${_COST['n']}${_COST['r']}${_COST['p']}${salt.hex()}${_scrypt(password, salt, _COST)}"


def _matches(password: str, hashed: str) -> bool:
    _, n, r, p, salt, wanted = hashed.split("$")
    cost = {"n": int(n), "r": int(r), "p": int(p)}
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt), cost), wanted)


def _scrypt(password: str, salt: bytes, cost: Mapping[str, int]) -> str:
    with _HASHING:
        content = password.encode("utf-8", "surrogatepass")
        return hashlib.scrypt(content, salt=salt, **cost, maxmem=256 << 20, dklen=32).hex()
