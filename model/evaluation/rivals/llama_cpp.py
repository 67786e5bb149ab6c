"""The same weights, read left to right by llama.cpp: cached greedy decoding through its C interface, also with drafts that are
looked up in the prompt. Needs `llama-cpp-python` and `gguf`.

Knows how our weights are laid out in a GGUF file. Knows no canvas: what is left of the model is an autoregressive one.
The low-level interface is called because `llama_cpp.Llama` costs more: it copies logits, samples, and with drafts computes the
logits of the whole prompt. Drafts are looked up here, too: with the package's `LlamaPromptLookupDecoding`, which takes the first
match, of a single token if need be, a text took twice as long as with this and longer than without any.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.checkpoints.store import Model
from model.engine.engine import fastest_dtype
from model.evaluation.rivals.rival import Prompt, Written
from model.tokenization.agreement import common_length

BATCH = 512  # rows of one call
LONGEST = 16_384  # tokens; told to llama.cpp, which allocates what a context is asked to hold
LEAST, LONGEST_MATCH, DRAFTED = 2, 8, 3  # tokens; more drafts, or shorter matches, cost more than they save
_SILENT = llama_cpp.llama_log_callback(lambda level, text, data: None)  # it tells about every tensor it loads
EXACT, FASTEST_KEPT, FASTEST = "F32", "F16", "Q8_0"  # weights; float16 keeps nearly every text as it is, 8 bits do not
# xIELU is softplus(alpha_p) x^2 + beta x above zero and (expm1(min(x, eps)) - x) softplus(alpha_n) + beta x below, with alpha_n
# after the converter's beta + softplus. These make it exactly squared ReLU, and expm1 of a huge
# negative number costs little.
ALPHA_P, ALPHA_N, BETA, EPS = float(np.log(np.e - 1)), -1e4, 0.0, -1e30


class LlamaCpp:
    """Keeps the cache of the text without its last key, as the engine does."""

    def __init__(self, model: Model, folder: Path, capacity: int, threads: int, lookup: bool, kind: str) -> None:
        self.name = f"llama.cpp, {kind}{', prompt lookup' if lookup else ''}, warm"
        self._tokenizer, self._lookup = model.tokenizer, lookup
        path = folder / f"{kind}.gguf"
        if not path.exists():
            write_gguf(model, path, kind)
        llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p())
        loading = llama_cpp.llama_model_default_params()
        loading.use_extra_bufts = False  # weights for AMX tiles: with them, its products trap where torch uses tiles, too
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), loading)
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_ubatch = capacity, BATCH, BATCH
        settings.n_threads = settings.n_threads_batch = threads
        settings.no_perf = True
        # For one row at a time the flash kernel and float16 are the fastest, for a few the plain one and bfloat16.
        if lookup or kind == EXACT:
            few = gguf.GGMLQuantizationType.BF16 if fastest_dtype() is torch.bfloat16 else gguf.GGMLQuantizationType.F16
            settings.type_k = settings.type_v = gguf.GGMLQuantizationType.F32 if kind == EXACT else few
            settings.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._context = llama_cpp.llama_init_from_model(self._model, settings)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(BATCH, 0, 1)
        weakref.finalize(self, _free, self._batch, self._context, self._model)
        self._tokens, self._positions, self._asked = (
            np.ctypeslib.as_array(column, (BATCH,)) for column in (self._batch.token, self._batch.pos, self._batch.logits)
        )
        for row in range(BATCH):
            self._batch.n_seq_id[row], self._batch.seq_id[row][0] = 1, 0
        self._held: list[int] = []

    def prepare(self, prompt: Prompt) -> None:
        self._keep(0)
        self._read(prompt.before_key, 1)

    def write(self, prompt: Prompt, count: int) -> Written:
        seen = len(prompt.visible)
        self._keep(min(common_length(self._held, prompt.visible), seen - 1))
        unread = prompt.visible[len(self._held) :]
        text = np.array([*prompt.visible, *[0] * count], np.intc)
        written = passes = 0
        while written < count:
            draft = looked_up(text[: seen + written])[: count - written - 1] if self._lookup else []
            found = self._read([*unread, *draft], len(draft) + 1)
            passes += 1
            agreed = common_length(draft, found)
            self._keep(len(self._held) - len(draft) + agreed)
            text[seen + written : seen + written + agreed + 1] = found[: agreed + 1]
            written += agreed + 1
            unread = [found[agreed]]
        tokens = text[seen:].tolist()
        return Written(self._tokenizer.decode(tokens), tokens, passes)

    def _keep(self, count: int) -> None:
        """Drops what is held behind the first `count` tokens."""
        if count < len(self._held):
            llama_cpp.llama_memory_seq_rm(self._memory, 0, count, -1)
            del self._held[count:]

    def _read(self, tokens: Sequence[int], asked: int) -> list[int]:
        """Reads tokens behind what is held; the likeliest tokens behind each of the last `asked`, which fit one batch."""
        # The first batch is the one that is not full, so that those asked for are all in the last one.
        ends = range(len(tokens) % BATCH or BATCH, len(tokens) + 1, BATCH)
        for start, end in zip((0, *ends), ends, strict=False):
            size = end - start
            self._tokens[:size] = tokens[start:end]
            self._positions[:size] = range(len(self._held), len(self._held) + size)
            self._asked[:size] = 0
            if end == len(tokens):
                self._asked[size - asked : size] = 1
            self._batch.n_tokens = size
            if llama_cpp.llama_decode(self._context, self._batch):
                raise RuntimeError(f"llama.cpp could not read {size} tokens behind {len(self._held)}")
            self._held += tokens[start:end]
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(self._context), (asked, self._tokenizer.size))
        best: list[int] = logits.argmax(-1).tolist()
        return best


def looked_up(text: NDArray[np.intc]) -> list[int]:
    """What followed the longest match of the text's end in the text, the latest one where several are as long."""
    last = len(text) - 1
    ends = np.flatnonzero(text[:last] == text[last])
    best, size = ends, 1
    while len(ends) and size < LONGEST_MATCH:
        ends = ends[ends >= size]
        ends = ends[text[ends - size] == text[last - size]]
        if len(ends):
            best, size = ends, size + 1
    if not len(best) or size < LEAST:
        return []
    found: list[int] = text[best[-1] + 1 : best[-1] + 1 + DRAFTED].tolist()
    return found


def write_gguf(model: Model, path: Path, kind: str) -> None:
    """Our network, without its canvas, as an Apertus model: the one architecture there with QK-norm and, nearly, squared ReLU.

    The norm behind our embedding is in the rows themselves, so the output's rows, which are not normalised, stand beside them.
    Norms stay in float32, as everywhere in llama.cpp.
    """
    config, weights = model.card.network, model.network.state_dict()
    writer = gguf.GGUFWriter(path, "apertus")
    writer.add_vocab_size(config.vocabulary)
    writer.add_tokenizer_model("no_vocab")
    writer.add_context_length(LONGEST)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(4 * config.width)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.heads)
    writer.add_rope_dimension_count(config.head_width)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_xielu_alpha_p([ALPHA_P] * config.layers)
    writer.add_xielu_alpha_n([ALPHA_N] * config.layers)
    writer.add_xielu_beta([BETA] * config.layers)
    writer.add_xielu_eps([EPS] * config.layers)

    def add(name: str, weight: Tensor) -> None:
        found = gguf.quants.quantize(weight.float().numpy(), gguf.GGMLQuantizationType[kind])
        writer.add_tensor(f"{name}.weight", found, raw_dtype=gguf.GGMLQuantizationType[kind])

    def add_norm(name: str, width: int) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))

    embedding = weights["embedding.weight"].float()
    add("token_embd", torch.nn.functional.rms_norm(embedding, (config.width,), eps=1e-6))
    add("output", embedding)
    add_norm("output_norm", config.width)
    for layer in range(config.layers):
        for name in ("attn_norm", "ffn_norm"):
            add_norm(f"blk.{layer}.{name}", config.width)
        for name in ("attn_q_norm", "attn_k_norm"):
            add_norm(f"blk.{layer}.{name}", config.head_width)
        for ours, theirs in (("qkv", "attn_qkv"), ("out", "attn_output"), ("up", "ffn_up"), ("down", "ffn_down")):
            add(f"blk.{layer}.{theirs}", weights[f"blocks.{layer}.{ours}.weight"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _free(batch: llama_cpp.llama_batch, context: int, model: int) -> None:
    llama_cpp.llama_batch_free(batch)
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)
