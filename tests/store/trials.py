"""How often the randomised trials run, and where they say so."""

import os

import pytest

FACTOR = int(os.environ.get("FEEDBACK_STORE_TRIALS", "1"))


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Print a count although pytest captures output."""
    with capsys.disabled():
        print(f"\n  {text}", end="")
