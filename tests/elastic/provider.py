"""Ray's fake node provider, made usable from the wheel, with a market that may have no machines of a type.

Loaded by name in the head's autoscaler. A type is sold out while `<market>/<type>` exists: launches of it fail then, as
a cloud's do, and the autoscaler asks again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider
from ray.autoscaler.tags import TAG_RAY_USER_NODE_TYPE


class MarketProvider(FakeMultiNodeProvider):
    """Nodes are raylets on this machine. Named by an `external` provider, which spares the file the wheel lacks."""

    def create_node_with_resources_and_labels(
        self, node_config: Any, tags: dict[str, str], count: int, resources: Any, labels: Any
    ) -> None:
        node_type = tags[TAG_RAY_USER_NODE_TYPE]
        if (Path(self.provider_config["market"]) / node_type).exists():
            raise RuntimeError(f"InsufficientInstanceCapacity: no {node_type} machines just now")
        super().create_node_with_resources_and_labels(node_config, tags, count, resources, labels)
