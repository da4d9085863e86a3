"""Engines: token ids in, a stream of token ids out. Only `serve` knows Ray; only the vLLM modules import vllm."""
