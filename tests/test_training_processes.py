"""Several processes under `accelerate launch` train the round that one trains."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from alignchat import config
from alignchat.files import read_json
from alignchat.loop import Loop
from tests.tiny_models import write_llama

LAUNCH = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
          "--mixed_precision", "no", "--dynamo_backend", "no")  # fmt: skip


@pytest.mark.slow
def test_two_processes_train_the_adapter_of_one(tmp_path: Path) -> None:
    settings = config.load(
        tmp_path / "one",
        model=str(write_llama(tmp_path / "tiny.gguf", tied=False)),
        chat={"max_tokens": 8, "temperature": 2},
        training={"batch_size": 4, "learning_rate": 1e-2, "precision": "fp32"},
        evaluation={"limit": 2, "measures": ["toxicity"]},
    )
    with Loop.open(settings) as loop:
        for i in range(8):
            *_, reply = loop.reply(None, f"question {i}")
            loop.rate(reply.completion_id, i % 2 == 0)
        loop.wait(loop.start_round("kto", steps=4))
    (one,) = (path.parent for path in (tmp_path / "one").glob("rounds/*/*/train.json"))
    two = tmp_path / "two" / one.relative_to(tmp_path / "one")
    two.mkdir(parents=True)
    shutil.copytree(one.parent / "0000", two.parent / "0000")
    for name in ("round.json", "dataset.json", "dataset.jsonl"):
        shutil.copy(one / name, two)
    command = [sys.executable, *LAUNCH, "--module", "alignchat.worker", str(two)]
    done = subprocess.run(command, env=config.child_environment(), cwd=config.PACKAGES, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    alone, together = (read_json(folder / "train.json") for folder in (one, two))
    for key in ("steps", "batch_size", "tokens", "train_rows", "first_loss", "final_loss"):
        assert together[key] == pytest.approx(alone[key], rel=1e-5), key
    weights = load_file(one / "adapter" / "adapter_model.safetensors")
    apart = {
        name: float((weight - weights[name]).norm() / weights[name].norm())
        for name, weight in load_file(two / "adapter" / "adapter_model.safetensors").items()
    }
    # AdamW's step has the size of the learning rate where a gradient is all but nothing, whatever its sign.
    assert max(apart.values()) < 0.01, apart
    assert read_json(two / "scorecard.json")["scores"]
