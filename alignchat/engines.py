"""Chooses the engine that the settings ask for. Loads no library of a model before it is needed."""

from alignchat.catalog import STARTER, Model
from alignchat.config import Settings
from alignchat.engine import Engine
from alignchat.llamacpp.llama_child import TRIED, try_once


def make_engine(model: Model, settings: Settings) -> Engine:
    """Return the engine of a model: an OpenAI-compatible server if one is set, else llama.cpp.

    A file that llama.cpp never ran is first tried in a process of its own; raise ModelError if it fails.
    """
    remote, sequences = settings.remote, settings.evaluation.batch_size
    if remote.url:
        from alignchat.remote import RemoteEngine

        key = remote.key.get_secret_value() if remote.key else None
        return RemoteEngine(remote.url, model=remote.model, key=key, sequences=sequences)
    from alignchat.llamacpp.llama_engine import LlamaEngine

    if model.name != STARTER:  # which comes checked by its package
        try_once(model.path, model.sha256, settings.data / TRIED)
    return LlamaEngine(model, context=settings.chat.context, sequences=sequences)
