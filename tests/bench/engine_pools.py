"""Pools of engines in miniature (`tests/engines/pool_world.py`): two speeds in one pool, a KV cache that is too small.

    python -m tests.bench.engine_pools --mixed     half the replicas three times slower, by the ring alone and bounded
    python -m tests.bench.engine_pools --memory    lengths double half-way, with shares of the cache kept free

Nothing here depends on the machine: rates are in simulated seconds. `pool_world` says what is modelled.
"""

from __future__ import annotations

import argparse

from tests.engines.pool_world import PoolWorld


def mixed(replicas: int, slots: int, seconds: float) -> None:
    print("routing      share of possible tokens/s    later turns that found their prefix")
    for name, hashed in (("ring alone", True), ("bounded", False)):
        world = PoolWorld([60.0] * (replicas // 2) + [20.0] * (replicas // 2), slots=slots, hashed=hashed)
        world.run(seconds)
        share = world.run(seconds) / world.possible
        print(f"{name:12} {share:28.3f} {world.prefix_hits:38.3f}")


def memory(slots: int, seconds: float) -> None:
    print("prefill tokens/s   kept free   tokens/s before   after doubling   preemptions   later turns with prefix")
    for prefill in (20_000.0, 6_000.0):
        for kept_free in (0.0, 0.05, 0.1, 0.2, 0.3):
            world = PoolWorld(
                [60.0], slots=slots, kv_tokens=slots * 7000, gate=1 - kept_free, prefill_per_s=prefill, workers=2
            )
            world.run(seconds)
            before, preempted = world.run(seconds), world.preemptions
            world.turn_tokens *= 2
            world.run(seconds)
            after = world.run(2 * seconds)
            print(
                f"{prefill:16,.0f} {kept_free:11.2f} {before:17,.0f} {after:16,.0f} "
                f"{world.preemptions - preempted:13} {world.prefix_hits:25.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixed", action="store_true", help="two speeds in one pool")
    parser.add_argument("--memory", action="store_true", help="sequences that outgrow the cache")
    parser.add_argument("--replicas", type=int, default=16, help="of the mixed pool")
    parser.add_argument("--slots", type=int, default=32, help="sequences that a replica decodes at once")
    parser.add_argument("--seconds", type=float, default=600.0, help="simulated, of each part")
    options = parser.parse_args()
    if options.mixed or not options.memory:
        mixed(options.replicas, options.slots, options.seconds)
    if options.memory or not options.mixed:
        memory(options.slots, options.seconds)


if __name__ == "__main__":
    main()
