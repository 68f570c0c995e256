"""Rounds that were not trained: what lies in a round's folder, for tests of what uses rounds."""

from dataclasses import replace

from alignchat import dataset
from alignchat.engine import Adapter
from alignchat.files import write_json
from alignchat.loop import Loop
from alignchat.rounds import ADAPTER_FILE, ADAPTER_GGUF


def add_round(loop: Loop, adapter: Adapter | None = None) -> int:
    """Add a round with an adapter, by default one that only a scripted engine can use; return its number."""
    number = loop.rounds.next_number()
    record = replace(loop.rounds.get(0), number=number, parent=0, method="kto")
    with loop.rounds.create(record) as folder:
        (folder / ADAPTER_GGUF).write_bytes(adapter.path.read_bytes() if adapter else b"")
        dataset.save(dataset.Dataset(method="kto", train=(), test=(), removed={}), folder)
        write_json(folder / ADAPTER_FILE, {"sha256": adapter.sha256 if adapter else "none"})
    return number
