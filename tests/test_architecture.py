"""Who may import whom: the house's walls, read off the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("alignchat/**/*.py"), *ROOT.glob("feedback_store/*.py"), *ROOT.glob("app.py")])
HEAVY = (
    "torch",
    "trl",
    "transformers",
    "peft",
    "datasets",
    "gradio",
    "llama_cpp",
    "huggingface_hub",
    "pandas",
    "matplotlib",
)

# A library, and the only places that may import it.
AT_HOME = {
    "gradio": ("alignchat/ui/",),
    "llama_cpp": ("alignchat/llamacpp/llama.py", "alignchat/llamacpp/gpu.py"),
    "torch": ("alignchat/training/", "alignchat/evaluation/scorers.py"),
    "transformers": ("alignchat/training/", "alignchat/evaluation/scorers.py"),
    "trl": ("alignchat/training/",),
    "peft": ("alignchat/training/",),
    "datasets": ("alignchat/training/", "alignchat/evaluation/measurements/", "alignchat/rows/set_child.py"),
    "evaluate": ("alignchat/evaluation/measurements/",),
    "matplotlib": ("alignchat/charts/",),
    "pandas": ("alignchat/charts/",),
    "huggingface_hub": ("alignchat/fetch.py",),
    "tinydb": ("feedback_store/",),
    "openai": ("alignchat/remote.py",),
}

# From the outside in: a module imports only what stands to its right, or beside it without a circle.
LAYERS = (
    ("alignchat.__main__", "app"),
    ("alignchat.cli",),
    ("alignchat.serving",),
    ("alignchat.ui", "alignchat.api"),
    ("alignchat.report", "alignchat.reproduce"),
    (
        "alignchat.loop",
        "alignchat.workshop",
        "alignchat.worker",
        "alignchat.llamacpp.trial",
        "alignchat.llamacpp.llama_work",
        "alignchat.rows.set_child",
    ),
    ("alignchat.judging.labelling",),
    ("alignchat.talk.replies_ahead",),
    ("alignchat.making.exporting", "alignchat.making.card", "alignchat.doctor"),
    (
        "alignchat.talk.chat",
        "alignchat.report_tables",
        "alignchat.engines",
        "alignchat.making.reports",
        "alignchat.llamacpp.llama_engine",
        "alignchat.remote",
        "alignchat.training",
        "alignchat.evaluation",
        "alignchat.formats.conversion",
        "alignchat.shelf.models",
        "alignchat.shelf.under_way",
        "alignchat.shelf.obtain",
        "alignchat.shelf.bias_sets",
        "alignchat.llamacpp.llama_child",
        "alignchat.charts",
        "alignchat.jobs",
        "alignchat.judging.feedback",
        "alignchat.making.round_data",
        "alignchat.talk.conversations",
        "alignchat.talk.transcripts",
        "alignchat.arena",
        "alignchat.llamacpp.weights",
        "alignchat.making.assessment",
        "alignchat.making.fit",
    ),
    (
        "alignchat.rounds",
        "alignchat.batch",
        "alignchat.dataset",
        "alignchat.rows.lengths",
        "alignchat.hub_sets",
        "alignchat.llamacpp.places",
        "alignchat.talk.voices",
        "alignchat.judging.review",
        "alignchat.judging.coach",
    ),
    (
        "alignchat.rows.manifest",
        "alignchat.rows.judgements",
        "alignchat.rows.split",
        "alignchat.rows.row_ids",
        "alignchat.rows.shapes",
    ),
    (
        "alignchat.engine",
        "alignchat.draw",
        "alignchat.llamacpp.llama",
        "alignchat.shelf.model_records",
        "alignchat.catalog",
    ),
    ("alignchat.formats.safetensors_to_gguf", "alignchat.fetch"),
    (
        "alignchat.formats.vocabulary",
        "alignchat.formats.sentencepiece_model",
        "alignchat.formats.safetensors_files",
        "alignchat.shelf.transfer",
    ),
    (
        "alignchat.llamacpp.gpu",
        "alignchat.making.presets",
        "alignchat.making.guard",
        "alignchat.rows.similar",
        "alignchat.rows.balance",
        "alignchat.rows.preferences",
        "alignchat.languages",
        "alignchat.accounts",
    ),
    ("alignchat.formats.template", "alignchat.formats.gguf_header", "alignchat.config", "alignchat.files"),
    (
        "alignchat.errors",
        "alignchat.judging.win_rates",
        "alignchat.judging.agreement",
        "alignchat.talk.starters",
    ),
    ("feedback_store",),
)


def module_of(path: Path) -> str:
    return str(path.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def layer_of(module: str) -> int | None:
    matches = [
        (len(name), rank)
        for rank, names in enumerate(LAYERS)
        for name in names
        if module == name or module.startswith(name + ".")
    ]
    return max(matches)[1] if matches else None


@pytest.mark.parametrize("library", AT_HOME)
def test_each_library_is_imported_only_where_it_is_at_home(library: str) -> None:
    strangers = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if any(name.split(".")[0] == library for name in imports_of(path))
        and not str(path.relative_to(ROOT)).startswith(AT_HOME[library])
    ]
    assert strangers == []


def test_imports_only_go_inwards() -> None:
    outwards = []
    for path in SOURCES:
        module = module_of(path)
        own = layer_of(module)
        for name in imports_of(path):
            other = layer_of(name)
            if own is not None and other is not None and other < own:
                outwards.append(f"{module} imports {name}")
    assert outwards == []


def test_every_module_has_a_layer() -> None:
    grouped = {name.rpartition(".")[0] for names in LAYERS for name in names}
    homeless = {module_of(path) for path in SOURCES if layer_of(module_of(path)) is None}
    assert homeless - grouped == set()


FACES = ("alignchat.ui", "alignchat.cli", "alignchat.api")


def test_the_faces_reach_feedback_and_engine_only_through_the_loop() -> None:
    edges = [path for path in SOURCES if module_of(path).startswith(FACES)]
    forbidden = (
        "feedback_store",
        "alignchat.engine",
        "alignchat.llamacpp.llama_engine",
        "alignchat.training",
    )
    found = [
        f"{path.name}: {name}" for path in edges for name in imports_of(path) if name.startswith(forbidden)
    ]
    assert found == []


def test_the_faces_never_import_one_another() -> None:
    found = [
        f"{module_of(path)} imports {name}"
        for path in SOURCES
        for face in FACES
        if module_of(path).startswith(face)
        for name in imports_of(path)
        if name.startswith(FACES) and not name.startswith(face)
    ]
    assert found == []


def test_nobody_imports_the_worker_or_training_but_the_worker() -> None:
    found = [
        f"{module_of(path)} imports {name}"
        for path in SOURCES
        for name in imports_of(path)
        if name.startswith(("alignchat.worker", "alignchat.training"))
        and not module_of(path).startswith(("alignchat.worker", "alignchat.training"))
    ]
    assert found == []


def test_the_environment_is_read_in_one_place() -> None:
    readers = [
        module_of(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert set(readers) == {"alignchat.config"}


@pytest.mark.parametrize(
    "module", ["alignchat", "alignchat.loop", "alignchat.cli", "alignchat.api", "feedback_store"]
)
def test_importing_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_every_module_says_at_its_top_what_it_is() -> None:
    silent = [module_of(p) for p in SOURCES if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]
    assert silent == []


def test_the_notes_in_the_corner_which_take_html_are_given_only_escaped_text() -> None:
    callers = [
        module_of(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("gr.Warning", "gr.Info", "gr.Error")
    ]
    assert callers == []
