"""Settings, read once and passed down; the only module that looks at the environment.

Arguments win over `ALIGNCHAT_SECTION__KEY`, which wins over `alignchat.toml` in the data folder,
which wins over the defaults here. Nothing is repaired: what cannot hold is refused, with its key.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSourceError

from alignchat.errors import SettingsError

Method = Literal["dpo", "kto", "orpo", "cpo"]
UNPAIRED: tuple[Method, ...] = ("kto",)
SETTINGS_FILE = "alignchat.toml"
# Where `python -m` finds the application, installed or not: the folder in which its processes begin.
PACKAGES = Path(__file__).parent.parent
# Secrets that processes of ours get only where they need them.
HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
KEYS = ("ALIGNCHAT_API__KEY", "ALIGNCHAT_REMOTE__KEY", "OPENAI_API_KEY")


class Section(BaseModel):
    """A group of settings; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


SectionType = TypeVar("SectionType", bound=Section)


class ChatSettings(Section):
    """How replies are sampled."""

    system_prompt: str = Field("", description="Text put before every new conversation.")
    temperature: float = Field(0.7, ge=0, le=2, description="0 always takes the likeliest token.")
    top_p: float = Field(0.95, gt=0, le=1, description="Sample from the likeliest tokens of this total mass.")
    top_k: int = Field(40, ge=0, description="Sample from this many likeliest tokens; 0 means all.")
    max_tokens: int = Field(512, ge=1, description="Longest reply, in tokens.")
    context: int = Field(4096, ge=256, description="Longest conversation, in tokens.")
    reasons_up: tuple[str, ...] = Field(
        ("helpful", "correct", "polite", "safe", "natural Italian"),
        description="Reasons offered after a thumb up.",
    )
    reasons_down: tuple[str, ...] = Field(
        ("off-topic", "wrong", "rude", "biased", "repetitive", "wrong language"),
        description="Reasons offered after a thumb down.",
    )


class TrainingSettings(Section):
    """How a round is trained."""

    steps: int | None = Field(
        None, ge=1, description="Optimiser steps; none: three passes over the rows, 10 to 200."
    )
    batch_size: int = Field(
        4, ge=1, description="Rows a step. KTO needs at least 2, to estimate its KL term."
    )
    preset: Literal["gentle", "standard", "strong"] = Field(
        "standard", description="How far a round may move: sets learning_rate and beta, method by method."
    )
    learning_rate: float | None = Field(
        None, gt=0, description="Peak learning rate of the LoRA weights; none: the preset's."
    )
    beta: float | None = Field(
        None, gt=0, description="How strongly the policy is held to the reference; none: the preset's."
    )
    # Not discopop: at the reference, where each new adapter starts, its slope is positive (its modulation at
    # tau 0.05 outweighs both losses), so it learns the rejected replies. Nor sft, which has no rejected ones.
    dpo_loss: Literal[
        "sigmoid", "ipo", "hinge", "robust", "exo_pair", "nca_pair", "bco_pair", "sppo_hard", "aot",
        "aot_unpaired", "apo_zero", "apo_down", "sigmoid_norm",
    ] = Field("sigmoid", description="DPO's loss, by TRL's name.")  # fmt: skip
    kto_loss: Literal["kto", "apo_zero_unpaired"] = Field("kto", description="KTO's loss, by TRL's name.")
    label_smoothing: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="Share of choices taken to be mistaken by the DPO losses robust, exo_pair, aot.",
    )
    reference: Literal["parent", "base"] = Field(
        "parent",
        description="What a round that goes on from another one is held to: that round, or the base.",
    )
    lora_rank: int = Field(16, ge=1, description="Rank of the LoRA matrices.")
    lora_alpha: int = Field(32, ge=1, description="LoRA scale: alpha / rank multiplies the update.")
    lora_targets: Literal["all", "attention"] = Field(
        "all", description="Which matrices get LoRA weights: all linear ones, or those of attention only."
    )
    max_length: int = Field(
        1024, ge=32, description="Rows longer than this many tokens are left out, and counted."
    )
    test_share: float = Field(0.1, ge=0, lt=1, description="Share of prompts held out to measure the round.")
    test_rows: int = Field(64, ge=1, description="At most so many held-out rows a source are measured.")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="Number format of the matrix products; auto: bf16 where the hardware has it."
    )
    weights: Literal["full", "4bit"] = Field(
        "full", description="4bit: the model's own weights in NF4 (QLoRA); NVIDIA, requirements-gpu.txt."
    )
    recompute: bool = Field(
        False, description="Compute activations twice instead of keeping them: slower, with less memory."
    )
    while_chatting: Literal["share", "yield", "wait"] = Field(
        "share",
        description="How a round goes on while a reply is written: at lower priority, on half of the cores "
        "all along, or not at all.",
    )
    use_when_better: bool = Field(
        False, description="Let the chat use a finished round by itself, unless something speaks against it."
    )
    seed: int = Field(42, ge=0, description="Seed of the initial LoRA weights and of the order of rows.")


def _absolute(path: Path) -> Path:
    return path.expanduser().resolve()


def _folder_or_name(scorer: str) -> str:
    """Make a folder's path absolute: scores are made by a process that runs elsewhere."""
    path = Path(scorer).expanduser()
    return str(path.resolve()) if path.is_dir() else scorer


ScorerName = Annotated[str, AfterValidator(_folder_or_name)]


class DatasetSettings(Section):
    """How feedback becomes rows."""

    label_choices: bool = Field(
        False, description="KTO: a choice also gives a desirable and an undesirable reply."
    )
    pair_thumbs: bool = Field(
        False, description="DPO: replies thumbed up are chosen over those thumbed down for the same prompt."
    )
    near_duplicates: float | None = Field(
        0.8,
        ge=0.5,
        le=1,
        description="Similarity (Jaccard, 0 to 1) from which texts count as the same; none: only equal ones.",
    )
    annotator_share: float = Field(
        1.0, gt=0, le=1, description="Most of one's own feedback that may come from one person."
    )


class EvaluationSettings(Section):
    """How bias is measured after a round."""

    measures: tuple[Literal["toxicity", "regard", "honest", "memorization", "cost"], ...] = Field(
        ("toxicity", "regard", "honest", "memorization", "cost"),
        description="Which measures a round is scored with.",
    )
    bias_data: Annotated[Path, AfterValidator(_absolute)] | None = Field(
        None, description="Folder of public prompt sets and lexicons; none: what bias-data get has brought."
    )
    limit: int | None = Field(
        None, ge=1, description="At most this many prompts a measure; none: 400, and all of HONEST's."
    )
    continuations: int = Field(5, ge=1, description="Continuations of a toxicity prompt (the paper: 25).")
    honest_k: int = Field(
        1, ge=1, description="Completions of a HONEST template; of more, 1, 5 and 20 are shown."
    )
    toxicity_scorer: ScorerName = Field(
        "embedded", description="Classifier of English toxicity: hub name, folder, or the embedded stand-in."
    )
    toxicity_labels: tuple[str, ...] = Field(
        ("hate",), min_length=1, description="Its labels that mean toxic; their scores are added."
    )
    italian_scorer: ScorerName = Field(
        "embedded", description="The same for Italian, such as IMSyPP/hate_speech_it."
    )
    italian_labels: tuple[str, ...] = Field(
        ("LABEL_2", "LABEL_3"), min_length=1, description="Its labels that mean toxic (offensive, violent)."
    )
    regard_scorer: ScorerName = Field(
        "embedded", description="Classifier of regard, such as sasha/regardv3, or the embedded stand-in."
    )
    published_honest: bool = Field(
        False, description="Also give HONEST as the evaluate library computes it, to set beside papers."
    )
    max_tokens: int = Field(20, ge=1, description="Length of a continuation, in tokens.")
    temperature: float = Field(1.0, ge=0, le=2, description="Sampling temperature of continuations.")
    top_p: float = Field(0.9, gt=0, le=1, description="Nucleus mass of continuations.")
    batch_size: int = Field(64, ge=1, le=64, description="Continuations generated at once.")
    seed: int = Field(0, ge=0, description="Seed of continuations and of the bootstrap.")


class ServerSettings(Section):
    """Where the app listens."""

    host: str = Field(
        "127.0.0.1", description="Address to listen on; another machine's only with users and TLS."
    )
    port: int = Field(7860, ge=1, le=65535, description="Port to listen on.")
    names: tuple[str, ...] = Field(
        (), description="Names or addresses under which others open the page; none: server.host."
    )
    certificate: Annotated[Path, AfterValidator(_absolute)] | None = Field(
        None, description="TLS certificate with its chain, a PEM file."
    )
    key: Annotated[Path, AfterValidator(_absolute)] | None = Field(
        None, description="The certificate's private key, a PEM file."
    )


class ApiSettings(Section):
    """Other programs that talk to the model and rate, in OpenAI's shape."""

    enabled: bool = Field(False, description="Serve /v1 to programs that show the key (docs/api.md).")
    key: SecretStr | None = Field(
        None, description="The key they show, of 16 characters or more; set it in the environment."
    )
    annotator: str = Field(
        "api", min_length=1, description="Whose the conversations and ratings are that come with the key."
    )


class RemoteSettings(Section):
    """A server that generates in place of this machine."""

    url: str | None = Field(
        None,
        description="An OpenAI-compatible server, such as http://127.0.0.1:8000/v1; none: llama.cpp here.",
    )
    model: str = Field(
        "base", description="The server's name for the base model; rounds are round-1, round-2, …"
    )
    key: SecretStr | None = Field(None, description="The server's key; set it in the environment.")


class Settings(BaseSettings):
    """Everything that can be set, in one frozen object."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="ALIGNCHAT_", env_nested_delimiter="__"
    )

    data: Annotated[Path, AfterValidator(_absolute)] = Field(
        Path("data"), description="Folder of feedback, rounds and settings.", validate_default=True
    )
    model: str | None = Field(
        None, description="A model's name, or the path of a GGUF file; none: the one chosen as default."
    )
    chat: ChatSettings = ChatSettings()
    dataset: DatasetSettings = DatasetSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    server: ServerSettings = ServerSettings()
    api: ApiSettings = ApiSettings()
    remote: RemoteSettings = RemoteSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the hook's fixed signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments, then the environment; the settings file is put in by `load`."""
        return init_settings, env_settings


def data_folder(data: Path | None = None) -> Path:
    """Return the data folder: the one given, else $ALIGNCHAT_HOME, else ./data."""
    return Path(data or os.environ.get("ALIGNCHAT_HOME") or "data").expanduser().resolve()


def load(data: Path | None = None, **arguments: Any) -> Settings:
    """Read the settings for a data folder; raise SettingsError naming the key that cannot hold.

    `arguments` are nested dicts in the shape of Settings and win over everything else.
    """
    folder = data_folder(data)
    file = folder / SETTINGS_FILE
    try:
        # pydantic-settings deep-merges its sources; a file named at run time needs its own subclass.
        return _settings_reading(_read_toml(file))(data=folder, **arguments)
    except ValidationError as error:
        raise SettingsError(_explain(error, file)) from error
    except UnreadableSourceError as error:
        raise SettingsError(
            f'The variables ALIGNCHAT_… cannot be read: {error}. Write lists as JSON, such as ["toxicity"].'
        ) from error


def override(section: SectionType, name: str, values: Mapping[str, Any]) -> SectionType:
    """Return a section with those values that are not None; raise SettingsError naming a bad one."""
    given = {key: value for key, value in values.items() if value is not None}
    try:
        return type(section).model_validate({**section.model_dump(), **given})
    except ValidationError as error:
        key, reason = _first(error)
        raise SettingsError(f"The setting {name}.{key} cannot hold: {reason}.") from error


def process_rank() -> int:
    """Return this process's place among those that `accelerate launch` started for one round; alone 0."""
    return int(os.environ.get("RANK", "0"))


def child_environment() -> dict[str, str]:
    """Return the environment of worker processes: no hub, no secret, and an allocator that keeps its memory.

    Returning freed memory to the system and faulting it in again takes a third of a training step
    on CPU with glibc's defaults.
    """
    return {
        **_without(*HUB_TOKENS, *KEYS),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TQDM_DISABLE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        "MALLOC_MMAP_THRESHOLD_": "8589934592",
        "MALLOC_TRIM_THRESHOLD_": "17179869184",
        "MALLOC_TOP_PAD_": "268435456",
    }


def online_child_environment() -> dict[str, str]:
    """Return the environment of a process that gets rows from the hub, quietly."""
    return {
        **_without(*KEYS),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONUNBUFFERED": "1",
        "USE_TORCH": "0",  # datasets would import it, for nothing
    }


def _without(*names: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.upper() not in names}


def _settings_reading(values: dict[str, Any]) -> type[Settings]:
    from pydantic_settings import InitSettingsSource

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **named: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            chosen = super().settings_customise_sources(settings_cls, *sources, **named)
            return (*chosen, InitSettingsSource(settings_cls, values))

    return FromFile


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}); mend it or move it away.") from error


def _explain(error: ValidationError, file: Path) -> str:
    key, reason = _first(error)
    return (
        f"The setting {key} cannot hold: {reason}. "
        f"Change the argument, the variable ALIGNCHAT_{key.upper().replace('.', '__')} or {file}."
    )


def _first(error: ValidationError) -> tuple[str, str]:
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"].lower()
