"""Ray's fake node provider, made usable from the wheel, with a market that may have few machines of a type, or none.

Loaded by name in the head's autoscaler. A number in `<market>/<type>` is how many of a type there are: launches beyond
it fail, as a cloud's do, and the autoscaler asks again.
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
        stock = Path(self.provider_config["market"]) / node_type
        sold = len(self.non_terminated_nodes({TAG_RAY_USER_NODE_TYPE: node_type}))
        if stock.exists() and sold + count > int(stock.read_text()):
            raise RuntimeError(f"InsufficientInstanceCapacity: no {node_type} machines just now")
        super().create_node_with_resources_and_labels(node_config, tags, count, resources, labels)
