"""Reads the tokenizer of a Transformers folder into what a GGUF file says of one. Knows no weights.

Byte-level BPE and SentencePiece-like BPE come from `tokenizer.json`, SentencePiece also from
`tokenizer.model`. Special tokens come from the tokenizer's own files: `config.json` is known to err.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf

from alignchat.errors import ModelError
from alignchat.formats import sentencepiece_model

Kind = gguf.TokenType

# How a text is cut before merging, by the name llama.cpp knows it under.
_GPT2 = {"type": "ByteLevel", "use_regex": True}
_DIGITS = {"type": "Digits", "individual_digits": True}
_SPLITS = {
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+": "llama-bpe",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+": "tekken",
}
_ROLES = ("bos", "eos", "unk", "pad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Tokens by id, and how texts become tokens; `pre` and `merges` are for byte-level BPE only."""

    tokens: Sequence[str]
    kinds: Sequence[int]
    scores: Sequence[float] = ()
    merges: Sequence[str] = ()
    pre: str = "default"
    space_prefix: bool = False
    add_bos: bool = False
    special: Mapping[str, int]
    template: str = ""

    def padded(self, rows: int) -> "Vocabulary":
        """Return it with as many tokens as the embedding has rows; raise ModelError if it has more."""
        missing = rows - len(self.tokens)
        if missing < 0:
            raise ModelError(
                f"The tokenizer has {len(self.tokens)} tokens and the model knows {rows}; "
                "take both from the same place."
            )
        return replace(
            self,
            tokens=[*self.tokens, *(f"[PAD{len(self.tokens) + i}]" for i in range(missing))],
            kinds=[*self.kinds, *[int(Kind.UNUSED)] * missing],
            scores=[*self.scores, *[-1e6] * missing] if self.scores else (),
        )

    def write(self, writer: Any) -> None:
        """Put it into a GGUF file's metadata."""
        writer.add_tokenizer_model("gpt2" if self.merges else "llama")
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        if self.merges:
            writer.add_token_merges(self.merges)
        else:
            writer.add_token_scores(self.scores)
        writer.add_token_types(self.kinds)
        for role, token in self.special.items():
            writer.add_uint32(f"tokenizer.ggml.{_GGUF_ROLE[role]}_token_id", token)
        writer.add_add_bos_token(self.add_bos)
        writer.add_add_eos_token(False)
        writer.add_add_space_prefix(self.space_prefix)
        if self.template:
            writer.add_chat_template(self.template)


_GGUF_ROLE = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}


def read(folder: Path) -> Vocabulary:
    """Read the tokenizer in a Transformers folder; raise ModelError if it is of a kind we cannot write."""
    config = _json(folder / "tokenizer_config.json")
    if (folder / "tokenizer.json").exists():
        vocabulary = _from_tokenizer_json(_json(folder / "tokenizer.json"), folder)
    elif (folder / "tokenizer.model").exists():
        vocabulary = _from_sentencepiece(folder / "tokenizer.model", config)
    else:
        raise ModelError(f"{folder} has no tokenizer.json and no tokenizer.model; get one of them as well.")
    named = _named_specials(folder, config)
    ids = {token: i for i, token in enumerate(vocabulary.tokens)}
    special = {**vocabulary.special, **{role: ids[text] for role, text in named.items() if text in ids}}
    if "eos" not in special:
        raise ModelError(
            f"The tokenizer in {folder} does not say which token ends a text (eos_token); add it."
        )
    kinds = list(vocabulary.kinds)
    for role in ("bos", "eos"):
        if role in special:
            kinds[special[role]] = Kind.CONTROL
    add_bos = vocabulary.add_bos and "bos" in special
    template = _template(folder, config)
    return replace(
        vocabulary, special=special, kinds=[int(k) for k in kinds], add_bos=add_bos, template=template
    )


def _from_tokenizer_json(content: Mapping[str, Any], folder: Path) -> Vocabulary:
    model = content.get("model", {})
    if model.get("type", "BPE") != "BPE" or not model.get("merges"):
        raise ModelError(f"The tokenizer in {folder} is of the kind {model.get('type')}; only BPE works.")
    added = content.get("added_tokens", [])
    ids: dict[str, int] = {**model["vocab"], **{token["content"]: token["id"] for token in added}}
    tokens = [f"[PAD{i}]" for i in range(max(ids.values()) + 1)]
    kinds = [Kind.UNUSED] * len(tokens)
    for text, i in ids.items():
        tokens[i], kinds[i] = text, Kind.NORMAL
    for token in added:
        kinds[token["id"]] = Kind.CONTROL if token.get("special") else Kind.USER_DEFINED
    pairs = [tuple(m.split(" ", 1)) if isinstance(m, str) else tuple(m) for m in model["merges"]]
    special = {"unk": ids[model["unk_token"]]} if model.get("unk_token") in ids else {}
    common: dict[str, Any] = {
        "tokens": tokens,
        "special": special,
        "add_bos": _begins_with_special(content.get("post_processor")),
    }
    if not model.get("byte_fallback"):
        merges = [f"{left} {right}" for left, right in pairs]
        return Vocabulary(kinds=kinds, merges=merges, pre=_pre(content, folder), **common)
    for i, text in enumerate(tokens):
        if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
            kinds[i] = Kind.BYTE
    if special and kinds[special["unk"]] != Kind.CONTROL:
        kinds[special["unk"]] = Kind.UNKNOWN
    prefix = _adds_space(content.get("normalizer")) or _adds_space(content.get("pre_tokenizer"))
    return Vocabulary(kinds=kinds, scores=_scores(tokens, pairs), space_prefix=prefix, **common)


def _scores(tokens: Sequence[str], pairs: Sequence[tuple[str, ...]]) -> list[float]:
    """Return scores that order merges as the list of pairs does: SentencePiece's are lost in the JSON."""
    ranks: dict[str, int] = {}
    for rank, pair in enumerate(pairs):
        ranks.setdefault("".join(pair), rank)
    return [-float(ranks.get(token, len(ranks))) for token in tokens]


def _pre(content: Mapping[str, Any], folder: Path) -> str:
    """Name the way a byte-level tokenizer cuts texts, as llama.cpp calls it."""
    step = content.get("pre_tokenizer") or {}
    steps = step.get("pretokenizers", [step])
    patterns = [s["pattern"].get("Regex") for s in steps if s.get("type") == "Split"]
    if len(patterns) == 1 and patterns[0] in _SPLITS:
        return _SPLITS[patterns[0]]
    shapes = [
        {key: s.get(key) for key in ("type", "use_regex", "individual_digits") if key in s} for s in steps
    ]
    if shapes == [_GPT2]:
        return "gpt-2"
    if shapes == [_DIGITS, _GPT2]:
        return "smollm"
    raise ModelError(
        f"The tokenizer in {folder} cuts texts in an unknown way; look for a GGUF of this model."
    )


def _adds_space(step: Mapping[str, Any] | None) -> bool:
    """Tell whether a normaliser or pre-tokeniser puts a space before a text."""
    if not step:
        return False
    parts = step.get("normalizers") or step.get("pretokenizers")
    if parts:
        return any(_adds_space(part) for part in parts)
    if step["type"] == "Metaspace":
        return bool(step.get("prepend_scheme", "always") != "never" and step.get("add_prefix_space", True))
    return bool(step["type"] == "Prepend")


def _begins_with_special(step: Mapping[str, Any] | None) -> bool:
    if not step:
        return False
    if step["type"] == "Sequence":
        return any(_begins_with_special(part) for part in step["processors"])
    single = step.get("single")
    return bool(step["type"] == "TemplateProcessing" and single and "SpecialToken" in single[0])


def _from_sentencepiece(path: Path, config: Mapping[str, Any]) -> Vocabulary:
    model = sentencepiece_model.read(path)
    tokens, scores, kinds = (list(column) for column in zip(*model.pieces, strict=True))
    for i, token in sorted(config.get("added_tokens_decoder", {}).items(), key=lambda item: int(item[0])):
        number, kind = int(i), Kind.CONTROL if token.get("special") else Kind.USER_DEFINED
        if number == len(tokens):
            tokens, scores, kinds = [*tokens, token["content"]], [*scores, -1e6], [*kinds, kind]
        elif number < len(tokens) and tokens[number] == token["content"] and kinds[number] == Kind.NORMAL:
            kinds[number] = kind
        elif number > len(tokens):
            raise ModelError(
                f"{path} and tokenizer_config.json do not fit together: token {number} is alone."
            )
    return Vocabulary(
        tokens=tokens,
        kinds=kinds,
        scores=scores,
        special=model.special,
        space_prefix=bool(config.get("add_prefix_space", model.space_prefix)),
        add_bos=bool(config.get("add_bos_token", True)),
    )


def _named_specials(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    named = {**_json(folder / "special_tokens_map.json"), **config}
    texts = {role: named.get(f"{role}_token") for role in _ROLES}
    return {
        role: str(text["content"] if isinstance(text, dict) else text) for role, text in texts.items() if text
    }


def _template(folder: Path, config: Mapping[str, Any]) -> str:
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text("utf-8")
    template = config.get("chat_template") or ""
    if isinstance(template, list):
        template = next((t["template"] for t in template if t.get("name") == "default"), "")
    return str(template)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read; download it again.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} is not what it should be; download it again.")
    return content
