"""The schema's versions and how an older event reads today. Pure; the journal is never rewritten for this."""

from collections.abc import Callable
from typing import Any

SCHEMA = 2
Fields = dict[str, Any]


def _from_1(fields: Fields) -> Fields:
    """Prompts were lists of {role, content}; as [role, content] a long journal opens faster and smaller."""
    data = fields.get("data")
    if fields["kind"] == "completion" and data:
        data["prompt"] = [[message["role"], message["content"]] for message in data["prompt"]]
    return fields


UPGRADES: dict[int, Callable[[Fields], Fields]] = {1: _from_1}


def upgrade(fields: Fields) -> Fields:
    """Bring an event of any known schema to the present one, a version at a time."""
    version = fields["v"]
    while version < SCHEMA:
        fields = UPGRADES[version](fields)
        version += 1
    return fields
