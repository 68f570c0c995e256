"""A round's adapter for other programs: a PEFT folder with its card, a GGUF adapter, a merged GGUF."""

import shutil
import tempfile
from pathlib import Path
from typing import Literal, get_args

from alignchat.catalog import Model
from alignchat.errors import RoundError
from alignchat.files import publish_folder, sha256, write_bytes, writing
from alignchat.formats.conversion import Quantisation as MergedFormat
from alignchat.formats.conversion import merge_to_gguf
from alignchat.llamacpp.llama_child import Quantisation, quantise
from alignchat.making.card import model_card
from alignchat.rounds import ADAPTER_FOLDER, Rounds

ExportFormat = Literal["peft", "gguf-lora", "gguf"]
_MERGED: tuple[MergedFormat, ...] = get_args(MergedFormat)


def export(
    rounds: Rounds, model: Model, number: int, format: ExportFormat, out: Path, quantisation: Quantisation
) -> dict[str, str]:
    """Write a round to `out`, which must not be there yet; return its path and SHA-256.

    Raise RoundError, AdapterError, ModelError or DiskError; then nothing is at `out`.
    """
    adapter = rounds.adapter(number)
    if adapter is None:
        raise RoundError(f"Round 0 is the base model and has no adapter; its file is {model.path}.")
    with writing(out):
        if out.exists():
            raise RoundError(f"{out} is there already; give another --out, nothing was written.")
        if format == "gguf":
            merge(adapter.path, model.path, out, quantisation)
        elif format == "gguf-lora":
            write_bytes(out, adapter.path.read_bytes())
        else:
            with publish_folder(out, replace=False) as folder:
                shutil.copytree(rounds.folder(number) / ADAPTER_FOLDER, folder, dirs_exist_ok=True)
                (folder / "README.md").write_text(model_card(rounds, number), "utf-8")
            return {"path": str(out), "sha256": sha256(out / "adapter_model.safetensors")}
    return {"path": str(out), "sha256": sha256(out)}


def merge(adapter: Path, base: Path, out: Path, quantisation: Quantisation) -> None:
    """Merge in fp32 and write as asked for; what is narrower than 8 bits llama.cpp makes of F16."""
    for merged in _MERGED:
        if quantisation == merged:
            merge_to_gguf(adapter, base, out, quantisation=merged)
            return
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        whole, narrow = Path(folder) / "whole.gguf", Path(folder) / "narrow.gguf"
        merge_to_gguf(adapter, base, whole, quantisation="F16")
        quantise(whole, narrow, quantisation)
        narrow.replace(out)
