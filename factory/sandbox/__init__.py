"""Sandbox: stateful, isolated Python sessions for model-written code. Only `pool` knows Ray."""
