"""Settings: who wins, and what is refused."""

from pathlib import Path

import pytest

from alignchat import config
from alignchat.errors import SettingsError


def test_arguments_win_over_environment_over_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alignchat.toml").write_text("[training]\nsteps = 3\nbeta = 0.3\nlora_rank = 4\n")
    monkeypatch.setenv("ALIGNCHAT_TRAINING__BETA", "0.2")
    monkeypatch.setenv("ALIGNCHAT_TRAINING__STEPS", "2")
    training = config.load(tmp_path, training={"steps": 1}).training
    assert (training.steps, training.beta, training.lora_rank, training.batch_size) == (1, 0.2, 4, 4)


def test_the_data_folder_comes_from_the_argument_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIGNCHAT_HOME", str(tmp_path / "home"))
    assert config.load().data == tmp_path / "home"
    assert config.load(tmp_path / "given").data == tmp_path / "given"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[training]\nbetta = 1\n", "training.betta"),
        ("[training]\nbeta = -1\n", "training.beta"),
        ("[evaluation]\nmeasures = ['kindness']\n", "evaluation.measures"),
        ("nonsense = 1\n", "nonsense"),
    ],
)
def test_a_setting_that_cannot_hold_is_refused_by_its_key(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "alignchat.toml").write_text(text)
    with pytest.raises(SettingsError, match=key):
        config.load(tmp_path)


def test_a_damaged_settings_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "alignchat.toml").write_text("[training\n")
    with pytest.raises(SettingsError, match=r"alignchat\.toml cannot be read"):
        config.load(tmp_path)


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = config.load(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.model = "other"  # type: ignore[misc]  # what is tested


def test_every_setting_is_described() -> None:
    sections = {**config.Settings.model_fields}
    for name, field in sections.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, config.Section):
            assert all(f.description for f in kind.model_fields.values()), name
        else:
            assert field.description, name


def test_workers_are_kept_from_the_hub() -> None:
    assert config.child_environment()["HF_HUB_OFFLINE"] == "1"


def test_a_variable_that_is_no_json_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIGNCHAT_EVALUATION__MEASURES", "toxicity")
    with pytest.raises(SettingsError, match="Write lists as JSON"):
        config.load(tmp_path)
