"""Tiny Transformers folders: random weights and a real tokenizer trained on a few lines of Italian."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

CORPUS = [
    "Nel mezzo del cammin di nostra vita mi ritrovai per una selva oscura, ché la diritta via era smarrita.",
    "L'amor che move il sole e l'altre stelle: così finì la commedia, perché più in là non si può andare.",
    "Quant'è bella giovinezza che si fugge tuttavia! Chi vuol esser lieto, sia: di doman non c'è certezza.",
    "Tanto gentile e tanto onesta pare la donna mia quand'ella altrui saluta, ch'ogne lingua deven muta.",
    "Dall'università all'ospedale, nell'ora di punta, c'erano 1234 persone e 56 autobus <b>in ritardo</b>.",
    "È già lunedì? Sì, però l'ho saputo solo adesso; un po' di pazienza, eh...",
] * 4

TEXTS = (
    "Perché l'università è così lontana? Un po' d'acqua, per favore.",
    "C'era una volta… «È già lunedì», disse; costa 1234,50 € più l'IVA.",
    "Che bello 😀👍🏽 🇮🇹 — l’apostrofo tipografico e il caffè corretto.",
    "Scrivi </s> oppure <s> o <|eot_id|> e <|im_end|> e [INST] nel testo.",
    "due  spazi,\tuna tabulazione\ne un a capo\n\ne poi altro   ",
    "日本語 и русский, ZWJ 👩‍👩‍👧 e byte strani \u0007\u200b.",
)

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = ("<unk>", "<s>", "</s>")


def sentencepiece_tokenizer(folder: Path, *, prefix: bool = True) -> None:
    """Train a SentencePiece BPE tokenizer into `folder/tokenizer.model`."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=500,
        model_type="bpe",
        byte_fallback=True,
        add_dummy_prefix=prefix,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    _config(folder, bos="<s>", eos="</s>", unk="<unk>", add_bos_token=True)


def sentencepiece_json(folder: Path, *, prefix: bool = True) -> None:
    """Write the same tokenizer as `tokenizer.json`, as transformers converts it, and drop the model file."""
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    scores = {model.id_to_piece(i): model.get_score(i) for i in range(model.get_piece_size())}
    ids = {model.id_to_piece(i): i for i in range(model.get_piece_size())}
    plain = [text for text, i in ids.items() if not (model.is_control(i) or model.is_byte(i))]
    pairs = [
        (text[:cut], text[cut:])
        for text in sorted(plain, key=lambda text: -scores[text])
        for cut in range(1, len(text))
        if text[:cut] in plain and text[cut:] in plain
    ]
    bpe = models.BPE(vocab=ids, merges=pairs, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(bpe)
    if prefix:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIALS])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer.model").unlink()


def swapped_tokenizer(folder: Path) -> None:
    """Write a `tokenizer.json` like that of Minerva 7B instruct: <s> 0, </s> 1, <unk> 2, and its own end."""
    sentencepiece_tokenizer(folder)
    sentencepiece_json(folder)
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    order = ("<s>", "</s>", "<unk>")
    content["model"]["vocab"].update({text: i for i, text in enumerate(order)})
    own = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    size = len(content["model"]["vocab"])
    content["added_tokens"] = [_added(i, text) for i, text in enumerate(order)]
    content["added_tokens"] += [_added(size + i, text) for i, text in enumerate(own)]
    content["post_processor"] = None
    (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    _config(folder, bos="<s>", eos="<|eot_id|>", unk="<unk>", add_bos_token=True)


def byte_level_tokenizer(folder: Path, *, llama3: bool) -> None:
    """Write a byte-level BPE `tokenizer.json`, cutting texts as Llama 3 or as GPT-2 does."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=llama3))
    if llama3:
        from tokenizers import Regex

        split = pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated")
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    names = ["<|begin_of_text|>", "<|eot_id|>"]
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[(names[0], tokenizer.token_to_id(names[0]))]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    _config(folder, bos=names[0], eos=names[1])


def gemma_tokenizer(folder: Path) -> None:
    """Write a tokenizer as Gemma's is: no space in front, line breaks and tags as tokens of their own."""
    sentencepiece_tokenizer(folder, prefix=False)
    sentencepiece_json(folder, prefix=False)
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    size = len(content["model"]["vocab"])
    own = [_added(size + i, text, special=False) for i, text in enumerate(["\n\n", "<b>", "</b>"])]
    turns = [_added(size + 3 + i, text) for i, text in enumerate(["<start_of_turn>", "<end_of_turn>"])]
    content["added_tokens"] += own + turns
    (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    _config(folder, bos="<s>", eos="</s>", unk="<unk>", add_bos_token=True)


def write_weights(
    folder: Path,
    family: str,
    *,
    vocabulary: int = 512,
    dtype: torch.dtype = torch.float32,
    shard: str = "1GB",
    **changes: Any,
) -> PreTrainedModel:
    """Save a tiny model of a family with random weights; return it in fp32 with the saved weights."""
    torch.manual_seed(7)
    sizes: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        # config.json of real models errs here: nothing may be read from it.
        "bos_token_id": 11,
        "eos_token_id": 12,
        **changes,
    }
    network: Any
    if family == "llama":
        network = LlamaForCausalLM(LlamaConfig(**sizes))
    elif family == "mistral":
        network = MistralForCausalLM(MistralConfig(**{"sliding_window": None, **sizes}))
    else:
        gemma = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16, "num_hidden_layers": 7}
        network = Gemma3ForCausalLM(Gemma3TextConfig(**{**sizes, **gemma, **changes}))
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.normal_(0, 0.5 if weight.dim() == 1 else weight.shape[-1] ** -0.5)
            if weight.dim() == 1 and family != "gemma3":
                weight.add_(1)
            if "embed" in name and family == "gemma3":
                weight.mul_(0.3)
    transformers_logging.disable_progress_bar()
    network.to(dtype).save_pretrained(folder, max_shard_size=shard)
    return type(network).from_pretrained(folder, dtype=torch.float32).eval()


def _added(i: int, text: str, *, special: bool = True) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": i, "content": text, "special": special, **flags}


def _config(folder: Path, *, add_bos_token: bool | None = None, **tokens: str) -> None:
    content: Mapping[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{f"{role}_token": text for role, text in tokens.items()},
        **({} if add_bos_token is None else {"add_bos_token": add_bos_token}),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(content), "utf-8")
