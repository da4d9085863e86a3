"""Look at a Ray cluster as Prometheus does: ask the dashboard for targets, fetch them, parse what they say."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.jobs.cluster import JobCluster

Labels = dict[str, str]


class Scrape:
    """The highest value of every series that was seen, so that what a process said before it ended is kept."""

    def __init__(self, cluster: JobCluster) -> None:
        self._cluster = cluster
        self._seen: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

    def look(self) -> None:
        """Fetch all targets once; one that is not up is missed, as Prometheus would."""
        for target in self._targets():
            try:
                text = httpx.get(f"http://{target}/metrics", timeout=10).text
            except httpx.HTTPError:
                continue
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    series = sample.name, frozenset(sample.labels.items())
                    self._seen[series] = max(sample.value, self._seen.get(series, sample.value))

    def values(self, name: str, **labels: str) -> list[tuple[Labels, float]]:
        """Labels and value of every series of this name that has these labels."""
        wanted = labels.items()
        return [(dict(known), n) for (series, known), n in self._seen.items() if series == name and wanted <= known]

    def _targets(self) -> list[str]:
        headers = {"Authorization": f"Bearer {self._cluster.env['RAY_AUTH_TOKEN']}"}
        try:
            groups = httpx.get(f"{self._cluster.url}/api/prometheus/sd", headers=headers, timeout=10).json()
        except httpx.HTTPError:
            return []
        return [target for group in groups for target in group["targets"]]
