"""Engines: token ids in, a stream of token ids out. Only `serve*` knows Ray; only `vllm_engine` imports vllm."""
