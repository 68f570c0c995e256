"""The schema's versions and how an older event reads today. Pure; the journal is never rewritten for this."""

from collections.abc import Callable
from typing import Any

SCHEMA = 1
Fields = dict[str, Any]
UPGRADES: dict[int, Callable[[Fields], Fields]] = {}


def upgrade(fields: Fields) -> Fields:
    """Bring an event of any known schema to the present one, a version at a time."""
    version = fields["v"]
    while version < SCHEMA:
        fields = UPGRADES[version](fields)
        version += 1
    return fields
