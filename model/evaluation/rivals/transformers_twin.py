"""The same weights, read left to right by `transformers`: cached greedy decoding through its `generate`. Needs `transformers`.

Knows how our weights are laid out in NanoChat's classes, which are our network but for the direction in which positions
rotate. Knows no canvas: what is left of the model is an autoregressive one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import DynamicCache, NanoChatConfig, NanoChatForCausalLM

from model.architecture.network import NetworkConfig
from model.checkpoints.store import Model
from model.evaluation.rivals.rival import Prompt, Written
from model.tokenization.agreement import common_length

LONGEST = 16_384  # tokens; rotations are computed as they are needed, so it costs nothing


class TransformersTwin:
    """`warm` keeps the cache of the text without its last key, as the engine does."""

    def __init__(self, model: Model, warm: bool) -> None:
        self.name = f"transformers, {'warm' if warm else 'cold'}"
        self._warm = warm
        self._tokenizer = model.tokenizer
        self._twin = converted(model)
        self._cache = DynamicCache(config=self._twin.config)
        self._held: list[int] = []

    @torch.inference_mode()
    def prepare(self, prompt: Prompt) -> None:
        self._cache = DynamicCache(config=self._twin.config)
        self._held = []
        if self._warm:
            self._twin(torch.tensor([prompt.before_key]), cache=self._cache, use_cache=True, logits_to_keep=1)
            self._held = prompt.before_key

    @torch.inference_mode()
    def write(self, prompt: Prompt, count: int) -> Written:
        kept = min(common_length(self._held, prompt.visible), len(prompt.visible) - 1)
        self._cache.crop(kept - len(self._held))
        visible = torch.tensor([prompt.visible])
        answer = self._twin.generate(
            visible, attention_mask=torch.ones_like(visible), cache=self._cache, max_new_tokens=count, do_sample=False
        )
        tokens = answer[0, len(prompt.visible) :].tolist()
        self._held = [*prompt.visible, *tokens[:-1]]
        return Written(self._tokenizer.decode(tokens), tokens, count)


def converted(model: Model) -> NanoChatForCausalLM:
    """Our network, without its canvas, as a NanoChat model in the same precision. It never stops by itself."""
    config = model.card.network
    with torch.device("meta"):
        twin = NanoChatForCausalLM(_config(config))
    weights = model.network.state_dict()
    found = {"model.embed_tokens.weight": weights["embedding.weight"], "lm_head.weight": weights["embedding.weight"]}
    for layer in range(config.layers):
        q, k, v = weights[f"blocks.{layer}.qkv.weight"].chunk(3)
        there = f"model.layers.{layer}"
        found[f"{there}.self_attn.q_proj.weight"] = _halves_swapped(q, config)
        found[f"{there}.self_attn.k_proj.weight"] = _halves_swapped(k, config)
        found[f"{there}.self_attn.v_proj.weight"] = v
        found[f"{there}.self_attn.o_proj.weight"] = weights[f"blocks.{layer}.out.weight"]
        found[f"{there}.mlp.fc1.weight"] = weights[f"blocks.{layer}.up.weight"]
        found[f"{there}.mlp.fc2.weight"] = weights[f"blocks.{layer}.down.weight"]
    twin.load_state_dict(found, assign=True)
    twin.model.rotary_emb = type(twin.model.rotary_emb)(twin.config)  # its frequencies are no weights: they are still meta
    return twin.requires_grad_(False).eval()


def _config(config: NetworkConfig) -> NanoChatConfig:
    return NanoChatConfig(
        vocab_size=config.vocabulary,
        hidden_size=config.width,
        intermediate_size=4 * config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        max_position_embeddings=LONGEST,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
        final_logit_softcapping=None,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )


def _halves_swapped(weight: Tensor, config: NetworkConfig) -> Tensor:
    """NanoChat rotates the other way round, which is our rotation of the two halves of each head in the other order."""
    return weight.view(config.heads, 2, config.head_width // 2, config.width).flip(1).reshape(config.width, config.width)
