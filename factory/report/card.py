"""The dataset card: a README.md with the Hub's YAML header that writes itself from the manifest and the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from factory.report.funnel import Stage, as_markdown
from factory.store.manifest import Manifest
from factory.store.report import PUBLISHED

_LIMITS = """\
* Answers are checked, reasoning is not: a trace may reach the right answer by a wrong argument.
* A reference that came from the vote (`changed_answer_to_majority`) is what most samples agree on; nobody wrote it.
* Tool outputs are what the sandbox showed the model, cut to its limits.
* Problems and their references keep the licences of their sources; see the column `license` of each row.
"""


def card(manifest: Manifest, recipe: dict[str, Any], stages: Sequence[Stage]) -> bytes:
    """README.md of a published version. `recipe` holds the values that results depend on. No times, no machine names:
    the same version always has the same card."""
    header = yaml.safe_dump(_header(manifest, recipe), sort_keys=False, allow_unicode=True)
    report = manifest.report
    sections = [
        f"# {recipe['name']}",
        f"{report.published:,} verified reasoning traces for {report.problems.get('verdict', 0):,} problems, written "
        f"by `{recipe['teacher']['model']}` in modes {', '.join(recipe['solve']['modes'])}, with and without Python.",
        "## What is in it\n\n" + _counts(manifest),
        "## Where every row went\n\n" + as_markdown(stages),
        "## Read it\n\n" + _usage(),
        "## Recipe\n\n"
        f"Fingerprint `{manifest.fingerprint}`, version {manifest.version} of this run.\n\n"
        f"```json\n{json.dumps(recipe, indent=2, ensure_ascii=False)}\n```",
        "## Known limits\n\n" + _LIMITS,
    ]
    body = "\n\n".join(section.strip() for section in sections)
    return f"---\n{header}---\n\n{body}\n".encode()


def _header(manifest: Manifest, recipe: dict[str, Any]) -> dict[str, Any]:
    cells = sorted({(shard.mode, shard.tool) for shard in manifest.shards})
    files = [
        {"config_name": f"{mode}_{tool}", "data_files": f"mode={mode}/tool={tool}/*.parquet"} for mode, tool in cells
    ]
    everything = {"config_name": "all", "data_files": "mode=*/tool=*/*.parquet", "default": True}
    licenses = sorted(name for (name,) in manifest.report.table("license") if name)
    return {
        "pretty_name": recipe["name"],
        "license": "other",
        "license_name": ", ".join(licenses) or "see the column license",
        "task_categories": ["text-generation"],
        "tags": ["mathematics", "reasoning", "tool-use", "synthetic"],
        "configs": [everything, *files] if files else [],
    }


def _counts(manifest: Manifest) -> str:
    tokens = manifest.report.table("tokens")
    lines = ["| mode | tool | published traces | of generated | tokens |", "|---|---|---:|---:|---:|"]
    generated: dict[tuple[str, ...], int] = manifest.report.by("trace", 0, 1)
    for (mode, tool), n in sorted(generated.items()):
        kept = manifest.report.by("trace", 0, 1, 4).get((mode, tool, PUBLISHED), 0)
        lines.append(f"| {mode} | {tool} | {kept:,} | {kept / n:.0%} | {tokens.get((mode, tool), 0):,} |")
    by_length = manifest.report.by("trace", 3, 4)
    buckets = {bucket: n for (bucket, outcome), n in by_length.items() if outcome == PUBLISHED}
    lines.append("\nBy token length: " + ", ".join(f"{bucket}: {n:,}" for bucket, n in buckets.items()) + ".")
    licenses = {name or "not stated": n for (name,), n in manifest.report.table("license").items()}
    lines.append("\nBy licence: " + ", ".join(f"{name}: {n:,}" for name, n in licenses.items()) + ".")
    return "\n".join(lines)


def _usage() -> str:
    return """\
```python
from datasets import load_dataset
traces = load_dataset("parquet", data_files="mode=*/tool=*/*.parquet", split="train")
```

`messages` is the conversation in OpenAI form; `token_ids` with `mask` (0 prompt, 1 generated, 2 tool output) is exactly
what the model saw and said; `metadata` holds the pass rates of the problem in all six regimes."""
