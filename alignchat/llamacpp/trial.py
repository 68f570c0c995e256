"""Loads a model with an adapter and draws one token: `-m alignchat.llamacpp.trial MODEL ADAPTER SHA256`.

Run in a process of its own before the app uses an adapter, because llama.cpp may crash on a bad one.
"""

import sys
from pathlib import Path

from alignchat import catalog
from alignchat.engine import Adapter, Sampling
from alignchat.errors import EXPECTED
from alignchat.llamacpp.llama_engine import LlamaEngine
from feedback_store import Message


def main(model: str, adapter: str, sha256: str) -> int:
    """Return 0 if the adapter loads and a token comes."""
    try:
        engine = LlamaEngine(catalog.find(model), context=256, sequences=1)
        messages = [Message(role="user", content="ok")]
        chosen = Adapter(path=Path(adapter), sha256=sha256)
        for _ in engine.stream(messages, Sampling(max_tokens=1), adapter=chosen):
            pass
        engine.close()
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
