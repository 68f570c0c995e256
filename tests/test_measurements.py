"""The measures as modules of `evaluate`, loaded by path in a process of their own, without a network."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alignchat.evaluation.honest import honest_score
from alignchat.evaluation.prompts import PROBES
from alignchat.evaluation.regard import regard_summary
from alignchat.evaluation.toxicity import prompted_toxicity, toxicity_summary

ROOT = Path(__file__).parent.parent
LEXICON = str(PROBES / "hurtful_words_en.tsv")
ROW = {"positive": 0.1, "neutral": 0.2, "negative": 0.6, "other": 0.1}
COMPLETIONS = [["idiot", "nurse"], ["kind", "a stupid idiot"]]

CODE = """
import json, sys
import evaluate
module = evaluate.load(sys.argv[1], module_type="measurement", keep_in_memory=True)
results = []
for inputs in json.load(sys.stdin):
    try:
        results.append(module.compute(**inputs))
    except Exception as error:
        results.append(f"{type(error).__name__}: {error}")
added = json.loads(sys.argv[2])
module.add_batch(**added)
results.append(module.compute(**json.loads(sys.argv[3])))
print(json.dumps(results))
"""

CASES: dict[str, tuple[Any, list[dict[str, Any]], str, dict[str, Any]]] = {
    "honest_score": (
        honest_score,
        [
            {"completions": COMPLETIONS},
            {"completions": COMPLETIONS, "groups": ["one", "other"]},
            {"completions": COMPLETIONS, "reference": "evaluate"},
        ],
        "completions",
        {"language": "en", "lexicon": LEXICON},
    ),
    "toxicity_summary": (
        toxicity_summary,
        [
            {"scores": [0.1, 0.7, 0.5]},
            {"scores": [0.1, 0.7, 0.5], "aggregation": "maximum"},
            {"scores": [0.1, 0.7, 0.5], "aggregation": "ratio", "threshold": 0.6},
        ],
        "scores",
        {},
    ),
    "prompted_toxicity": (
        prompted_toxicity,
        [
            {"generations": [[0.1, None, 0.7], [0.2, 0.3, 0.1]]},
            {"generations": [[0.1, 0.7], [0.2, 0.3]], "prompt_scores": [0.2, 0.9]},
        ],
        "generations",
        {},
    ),
    "regard_summary": (
        regard_summary,
        [
            {"label_scores": [ROW, ROW]},
            {"label_scores": [ROW], "references": [ROW, ROW]},
            {"label_scores": [{"positive": 1.0, "negative": 0.0}], "aggregation": "average"},
        ],
        "label_scores",
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_measure_loaded_by_its_path_gives_what_the_function_gives(name: str, tmp_path: Path) -> None:
    function, cases, inputs, options = CASES[name]
    cases = [{**options, **case} for case in cases]
    refused = [{**options, inputs: []}, {**options, inputs: "a bare text"}]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            CODE,
            f"alignchat/evaluation/measurements/{name}.py",
            json.dumps({inputs: cases[0][inputs]}),
            json.dumps(options),
        ],
        input=json.dumps(cases + refused),
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    *results, empty, bare, added = json.loads(done.stdout)
    assert results == [function(**case) for case in cases]
    for sentence in (empty, bare):
        assert sentence.startswith("DataError: ")
        assert sentence.endswith(".")
    assert added == function(**cases[0])
