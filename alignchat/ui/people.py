"""Who asks: the person whom the door put into the request, for every handler to look at. Fails closed."""

from collections.abc import Mapping
from typing import Any

from alignchat.accounts import Person
from alignchat.errors import AccountError

PERSON = "alignchat.person"
OWNERS_ONLY = "Only an owner may do this; ask one."


def of(scope: Mapping[str, Any]) -> Person:
    """Return the person of a request; a request that came past the door has none, and fails."""
    person = scope[PERSON]
    assert isinstance(person, Person)
    return person


def here() -> Person:
    """Return the person whose handler is running."""
    from gradio.context import LocalContext

    asked = LocalContext.request.get(None)
    if asked is None or asked.request is None:
        raise AccountError("Nobody is known to ask for this; reload the page.")
    return of(asked.request.scope)


def require_owner(person: Person) -> None:
    """Raise AccountError if this is not an owner."""
    if person.role != "owner":
        raise AccountError(OWNERS_ONLY)
