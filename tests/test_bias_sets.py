"""Public sets are fetched by the real code, from a GitHub and a hub on the loopback."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from alignchat.config import load
from alignchat.engine import ScriptedEngine
from alignchat.errors import Cancelled, DataError, DiskError
from alignchat.evaluation import bias_data, plan
from alignchat.fetch import Hub
from alignchat.files import read_json
from alignchat.loop import Loop
from alignchat.shelf.bias_sets import SETS, SOURCE_FILE, BiasSets
from alignchat.shelf.transfer import Progress
from alignchat.ui import i18n, model_views
from alignchat.ui.bias_data import BiasData
from alignchat.ui.errors import Notices
from alignchat.ui.shared import Page
from tests.disks import no_file_larger_than
from tests.hub import Fault, LoopbackHub, loopback_hub

PROMPTS = b'{"prompt": {"text": "So I", "toxicity": 0.2}}\n{"prompt": {"text": "You are", "toxicity": 0.8}}\n'
TOXICITY = "allenai/real-toxicity-prompts"


@dataclass
class GitHub:
    """Files by path, as raw.githubusercontent.com serves them."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut: bool = False
    url: str = ""


@pytest.fixture(name="github")
def a_github_on_the_loopback() -> Iterator[GitHub]:
    served = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = served.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write((content or b"")[: 100 if served.cut else None])

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()


@pytest.fixture(name="hub")
def a_hub_on_the_loopback() -> Iterator[LoopbackHub]:
    with loopback_hub() as hub:
        yield hub


@pytest.fixture(name="sets")
def the_sets_of_a_fresh_folder(tmp_path: Path, github: GitHub, hub: LoopbackHub) -> BiasSets:
    return BiasSets(tmp_path, hub=Hub(hub.url), github=github.url)


def publish(github: GitHub, samples: Path, name: str) -> None:
    """Serve a set's files, which the samples have byte for byte, at their authors' paths."""
    known = SETS[name]
    for file in known.files:
        sample = next(iter(samples.rglob(f"*{file.name}")))
        github.files[f"/{known.repository}/{known.commit}/{file.path}"] = sample.read_bytes()


def test_every_set_says_its_licence_and_size_before_it_is_here(sets: BiasSets) -> None:
    reports = {report.name: report for report in sets.reports()}
    assert set(reports) == {"realtoxicityprompts", "bold", "honest", "hurtlex"}
    assert not any(report.here for report in reports.values())
    assert all(report.licence and report.bytes > 100_000 for report in reports.values())
    assert [name for name, report in reports.items() if report.non_commercial] == ["hurtlex"]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["bold", "honest", "hurtlex"])
def test_a_set_on_github_is_fetched_checked_and_used(
    name: str, sets: BiasSets, github: GitHub, shared_data: Path, tmp_path: Path
) -> None:
    publish(github, shared_data / name, name)
    seen: list[Progress] = []
    assert sets.get(name, accept_licence=name == "hurtlex", on_progress=seen.append).here
    assert seen[-1].done == seen[-1].total == sets.report(name).bytes
    assert read_json(tmp_path / "bias" / name / SOURCE_FILE)["licence"] == SETS[name].licence
    tasks = plan.tasks(plan.MEASURES, load(tmp_path).evaluation, tmp_path)
    used = " ".join(f"{task.prompts.name} {task.scorer.name}" for task in tasks)
    assert {"bold": "BOLD", "honest": "HONEST", "hurtlex": "hurtlex_IT"}[name] in used
    github.asked.clear()
    sets.get(name, accept_licence=True)
    assert github.asked == []


def test_toxicity_prompts_come_from_the_hub(sets: BiasSets, hub: LoopbackHub, tmp_path: Path) -> None:
    hub.repositories[TOXICITY] = {"prompts.jsonl": PROMPTS}
    assert sets.get("realtoxicityprompts").here
    found = bias_data.toxicity(tmp_path / "bias")
    assert found is not None
    assert [(prompt.text, prompt.group) for prompt in found.prompts] == [
        ("So I", "nontoxic"),
        ("You are", "toxic"),
    ]
    assert hub.asked("/datasets/")


def test_a_download_that_broke_off_goes_on(sets: BiasSets, hub: LoopbackHub) -> None:
    hub.repositories[TOXICITY] = {"prompts.jsonl": PROMPTS * 2000}
    hub.fail("prompts.jsonl", Fault(break_after=70_000))
    assert sets.get("realtoxicityprompts").here
    assert any(headers.get("Range") == "bytes=70000-" for headers in hub.asked("prompts.jsonl"))


def test_a_non_commercial_licence_is_asked_about_first(sets: BiasSets, github: GitHub) -> None:
    with pytest.raises(DataError, match=r"CC BY-NC-SA 4.0: for non-commercial use only.*--accept-licence"):
        sets.get("hurtlex")
    assert github.asked == []


def test_a_file_that_is_not_the_published_one_is_refused(
    sets: BiasSets, github: GitHub, tmp_path: Path
) -> None:
    known = SETS["honest"]
    github.files[f"/{known.repository}/{known.commit}/{known.files[0].path}"] = b"something else"
    with pytest.raises(DataError, match="is not what was published"):
        sets.get("honest")
    assert not sets.report("honest").here
    assert plan.tasks(["honest"], load(tmp_path).evaluation, tmp_path)[0].prompts.name == "embedded probes"


@pytest.mark.shared
def test_a_file_cut_off_is_refused(sets: BiasSets, github: GitHub, shared_data: Path) -> None:
    publish(github, shared_data / "honest", "honest")
    github.cut = True
    with pytest.raises(DataError, match=r"is not what was published|cannot be read"):
        sets.get("honest")


def test_a_file_that_is_gone_and_a_network_that_is_down_are_sentences(tmp_path: Path, sets: BiasSets) -> None:
    with pytest.raises(DataError, match="answers 404"):
        sets.get("bold")
    with pytest.raises(DataError, match="when the network is back, or give --bias-data"):
        BiasSets(tmp_path, github="http://127.0.0.1:9").get("bold")


@pytest.mark.shared
def test_a_fetch_stops_when_told_to(sets: BiasSets, github: GitHub, shared_data: Path) -> None:
    publish(github, shared_data / "bold", "bold")
    with pytest.raises(Cancelled):
        sets.get("bold", should_stop=lambda: True)
    assert not sets.report("bold").here


def test_an_unknown_set_is_refused_with_those_there_are(sets: BiasSets) -> None:
    with pytest.raises(DataError, match="realtoxicityprompts, bold, honest, hurtlex"):
        sets.get("crows")


def test_a_classifier_is_fetched_with_what_it_needs_and_nothing_else(
    sets: BiasSets, hub: LoopbackHub, tmp_path: Path
) -> None:
    config = b'{"id2label": {"0": "nothate", "1": "hate"}}'
    hub.repositories["some/classifier"] = {
        "config.json": config,
        "model.safetensors": b"weights" * 1000,
        "pytorch_model.bin": b"the same once more",
        "vocab.txt": b"[PAD]\n",
        "training_args.bin": b"not needed",
    }
    assert sets.get_classifier("some/classifier")["licence"] == "apache-2.0"
    folder = tmp_path / "classifiers" / "some--classifier"
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "vocab.txt",
        SOURCE_FILE,
    }
    asked = load(tmp_path, evaluation={"toxicity_scorer": "some/classifier"}).evaluation
    (task, _) = plan.tasks(["toxicity"], asked, tmp_path)
    assert task.scorer.name.startswith("some/classifier@")


def test_a_repository_without_a_classifier_is_refused(sets: BiasSets, hub: LoopbackHub) -> None:
    hub.repositories["some/model"] = {"model.gguf": b"x"}
    with pytest.raises(DataError, match="has no classifier's files"):
        sets.get_classifier("some/model")


@pytest.fixture(name="part")
def the_part_of_the_page(tmp_path: Path, sets: BiasSets) -> Iterator[BiasData]:
    with Loop.open(load(tmp_path), lambda: ScriptedEngine(lambda *_: "yes")) as loop, gr.Blocks():
        loop.bias_sets = sets
        page = Page(
            loop=loop,
            texts=i18n.TEXTS["en"],
            language="en",
            strip=gr.Markdown(),
            timer=gr.Timer(active=False),
            changed=gr.State(0),
            watched=gr.State(None),
            sets=gr.BrowserState([]),
        )
        part = BiasData(page)
        part.wire(Notices(gr.Markdown(), "en"))
        yield part


def test_the_page_shows_what_is_measured_with_and_brings_the_authors_sets(
    part: BiasData, hub: LoopbackHub
) -> None:
    hub.repositories[TOXICITY] = {"prompts.jsonl": PROMPTS}
    shown = part.refresh(None)
    assert shown[part.table].count("built-in stand-in") == 4
    assert "CC BY-NC-SA 4.0 · non-commercial use only · 0.6 MB" in shown[part.table]
    assert all(known.licence in shown[part.table] for known in SETS.values())
    assert shown[part.which].value == "realtoxicityprompts"
    going = part._get("realtoxicityprompts", agreed=False)
    assert going[part.timer].active
    part.page.loop.bias_sets_under_way.wait(20)
    assert part.ended in part._tick()
    came = part._end("realtoxicityprompts")
    assert "RealToxicityPrompts is here." in came[part.place]
    assert came[part.table].count("built-in stand-in") == 3
    assert [name for _, name in came[part.which].choices] == ["bold", "honest", "hurtlex"]
    assert came[part.which].value == "bold"


def test_the_page_asks_before_it_gets_what_is_for_non_commercial_use_and_says_what_fails(
    part: BiasData, github: GitHub
) -> None:
    assert part.refresh("hurtlex")[part.agreed].visible
    assert not part.refresh("bold")[part.agreed].visible
    with pytest.raises(DataError, match="tick the box"):
        part._get("hurtlex", agreed=False)
    assert github.asked == []
    part._get("hurtlex", agreed=True)
    part.page.loop.bias_sets_under_way.wait(20)
    assert "answers 404" in part._end("hurtlex")[part.progress]
    failed = part.page.loop.bias_sets_under_way.now()
    assert "risponde 404; riprova" in model_views.under_way(failed, "it", i18n.TEXTS["it"])


def test_with_a_folder_of_ones_own_the_page_names_it_and_gets_nothing(part: BiasData, tmp_path: Path) -> None:
    loop = part.page.loop
    loop.settings = load(tmp_path, evaluation={"bias_data": str(tmp_path)})
    shown = part.refresh(None)
    assert str(tmp_path) in shown[part.table]
    assert not shown[part.row].visible


@pytest.mark.shared
def test_a_set_on_github_that_finds_no_room_is_one_sentence_and_comes_whole_once_there_is(
    sets: BiasSets, github: GitHub, shared_data: Path
) -> None:
    publish(github, shared_data / "honest", "honest")
    with no_file_larger_than(50_000), pytest.raises(DiskError, match=r"cannot be written .* try again\."):
        sets.get("honest")
    assert not sets.report("honest").here
    assert sets.get("honest").here
