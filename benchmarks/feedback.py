"""Looking through 100,000 records (50,000 replies, a thumb each): pages, filters, search, the coach's counts.

    python benchmarks/feedback.py [--records N] [--json]

Each figure is the median of five calls in one process, with the store open.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from alignchat.judging.feedback import Feedback
from alignchat.judging.review import Filters
from benchmarks.sections import section
from feedback_store import Completion, FeedbackStore, Message, Thumb

PAGE = 25


def fill(store: FeedbackStore, replies: int) -> None:
    """Add replies of about 1 KB in two languages' letters, each with a thumb."""
    for start in range(0, replies, 5_000):
        records: list[Completion | Thumb] = []
        for i in range(start, min(start + 5_000, replies)):
            asked = (Message(role="user", content=f"perché il mare è salato? {i} " * 5),)
            text = "la città è bella " * 50 + f"fine{i}"
            made = Completion(
                id=f"c{i}", conversation_id=f"v{i // 5}", prompt=asked, text=text, model="m", round=i % 7
            )
            tags = ("helpful",) if i % 2 else ()
            records += [made, Thumb(id=f"t{i}", completion_id=made.id, up=i % 3 > 0, tags=tags)]
        store.add_many(records)


def timed(act: Callable[[], object]) -> float:
    """Return the median time of an act in milliseconds."""
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        act()
        times.append((time.perf_counter() - begun) * 1e3)
    return median(times)


def measure(feedback: Feedback, replies: int) -> dict[str, float]:
    """Return each figure in milliseconds."""
    review = feedback.review
    last = f"FINE{replies - 1}"
    asked = {
        "newest page": Filters(),
        "by verdict": Filters(verdict="down"),
        "by round": Filters(round=3),
        "by tag": Filters(tag="helpful"),
        "what counts": Filters(counts=True),
        "by day": Filters(since="2026-01-01"),
        "a rare word": Filters(text=last),
        "a word in all": Filters(text="citta"),
        "word, round, tag and verdict": Filters(text="citta", round=3, tag="helpful", verdict="up"),
    }
    figures = {
        name: timed(lambda filters=filters: review.find(filters, limit=PAGE))  # type: ignore[misc]
        for name, filters in asked.items()
    }
    figures["last page"] = timed(lambda: review.find(offset=replies - PAGE, limit=PAGE))
    figures["the coach's counts"] = timed(review.signals)
    figures["the strip's counts"] = timed(feedback.stats)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder, replies = Path(tempfile.mkdtemp()), options.records // 2
    try:
        with FeedbackStore.open(folder / "feedback") as store:
            fill(store, replies)
            figures = measure(Feedback(store), replies)
    finally:
        shutil.rmtree(folder)
    if options.json:
        print(json.dumps(figures))
    else:
        table = [(name, f"{figure:.1f} ms", "") for name, figure in figures.items()]
        print(section(f"Looking through {options.records:,} records of feedback (`feedback.py`)", table))


if __name__ == "__main__":
    main()
