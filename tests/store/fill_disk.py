"""Fill the small disk under a store, twice; nothing acknowledged may be lost. Run by test_faults."""

import sys
from pathlib import Path

from feedback_store import DiskFullError, FeedbackStore
from tests.store.makers import completion

folder = Path(sys.argv[1])
store = FeedbackStore.open(folder / "feedback")
ballast = folder / "ballast"
ballast.write_bytes(b"x" * 200_000)
acknowledged: list[str] = []
for _ in range(2):
    try:
        while True:
            acknowledged.append(store.add(completion("y" * 5_000)))
    except DiskFullError as error:
        print(error)
    ballast.unlink(missing_ok=True)
assert len(acknowledged) > 50
for seen in (store, FeedbackStore.open(folder / "feedback")):
    assert [made.id for made in seen.completions()] == acknowledged
    assert not seen.damage
print(f"{len(acknowledged)} acknowledged, 0 lost")
