"""What a step takes on GPUs: a model of floating point work, attention, traffic and a fixed part of each micro-batch.

    linear = 6 * P_active * T * r / (S * F * e1)                           r = 4/3: everything is computed once more
    attn   = sum over traces of 6 * layers * heads * d * n^2 * r / (S * F * e2)         causal, forward and backward
    tp     = 12 * layers * (T / CP) * hidden * 2 B * (TP - 1) / TP / BW * 1.5
    cp     = max(0, 9 * layers * T * kv * d * 2 B / TP * (CP - 1) / CP / BW - attn)     a ring, hidden by the attention
    ep     = 6 * layers * T / (CP * TP) * topk * hidden * 2 B * (EP - 1) / EP / BW
    micro  = linear + attn + tp + cp + ep + t0

S = TP * CP GPUs work on one micro-batch of T tokens, a peak of F each. e1, e2 and t0 were fitted to the four step times
that Nemotron-Math's paper gives (17 to 40 % off; e2 and t0 are weakly held by them), so a plan is a prior: the first 20
steps of each stage replace it.
"""

from __future__ import annotations

from dataclasses import dataclass

from factory.recipe.train import Machine
from factory.training.student import Shape

COMPUTE_SHARE, ATTENTION_SHARE, FIXED_S = 0.33, 0.60, 0.48
"""e1 and e2, shares of the peak, and t0, in seconds."""
NODE_GPUS = 8
_RECOMPUTED = 4 / 3


@dataclass(frozen=True, slots=True)
class Parallel:
    """GPUs that share a sequence, a layer's weights (Megatron only), and the experts (Megatron only)."""

    context: int = 1
    tensor: int = 1
    expert: int = 1

    @property
    def shared(self) -> int:
        return self.context * self.tensor


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be computed: tokens, the sum of squared trace lengths, and the micro-batches they come in."""

    tokens: float
    squares: float
    packs: float


def seconds(shape: Shape, machine: Machine, parallel: Parallel, work: Work) -> float:
    """Seconds that one group of `parallel.shared` GPUs needs for `work`."""
    peak = parallel.shared * machine.peak_tflops * 1e12
    linear = 6 * shape.active * work.tokens * _RECOMPUTED / (peak * COMPUTE_SHARE)
    width = shape.heads * shape.head_dim
    attention = 6 * shape.layers * width * work.squares * _RECOMPUTED / (peak * ATTENTION_SHARE)
    return linear + attention + _traffic(shape, machine, parallel, work.tokens, attention) + FIXED_S * work.packs


def _traffic(shape: Shape, machine: Machine, parallel: Parallel, tokens: float, attention: float) -> float:
    inside = machine.interconnect_gb_s * 1e9
    across = inside if parallel.shared <= NODE_GPUS else machine.network_gb_s * 1e9
    tp, cp, ep = parallel.tensor, parallel.context, parallel.expert
    tensor = 12 * shape.layers * (tokens / cp) * shape.hidden * 2 * (tp - 1) / tp / inside * 1.5
    ring = 9 * shape.layers * tokens * shape.kv_heads * shape.head_dim * 2 / tp * (cp - 1) / cp / across
    sent = shape.layers * tokens / (cp * tp) * shape.experts_per_token * shape.hidden * 2
    return tensor + max(0.0, ring - attention) + 6 * sent * (ep - 1) / ep / inside
