"""The card of an export: README.md, with the table of files that the Hub and `datasets` read, and the funnel."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import yaml

from factory.store.manifest import Manifest
from factory.views.view import Options, View

if TYPE_CHECKING:
    from factory.views.export import ExportManifest


def card(view: View[Any], options: Options, export: ExportManifest, source: Manifest) -> bytes:
    """What was exported from what, how to open it, and what was left out."""
    funnel = export.funnel
    lines = [f"# {view.name}", "", " ".join((view.__doc__ or "").split("\n\n")[0].split()), ""]
    lines += [f"Made by `factory export {view.name}` from version {source.version} of the run with the recipe "
              f"`{source.fingerprint}`; this export is `{export.fingerprint}`."]  # fmt: skip
    told = [f"* `{name}`: {value!r}" for name, value in sorted(options.model_dump(mode="json").items())]
    lines += ["", "## Options", "", *told, "", "## Funnel", ""]
    lines += ["| | |", "|---|---:|", f"| {funnel.unit} read | {funnel.read:,} |"]
    lines += [f"| left out: {reason} | {n:,} |" for reason, n in funnel.left_out.most_common()]
    lines += [f"| used | {funnel.used:,} |"]
    lines += [f"| rows of `{table}` | {n:,} |" for table, n in sorted(funnel.rows.items())]
    lines += [f"| {name} | {n:,} |" for name, n in sorted(funnel.notes.items())]
    if said := view.says(options, funnel):
        lines += ["", *said]
    licences = sorted(name for (name,) in source.report.table("license"))
    if licences:
        lines += ["", f"Licences of the problems: {', '.join(licences)}. Rows name theirs."]
    return (_header(export) + "\n".join(lines) + "\n").encode()


def _header(export: ExportManifest) -> str:
    """A configuration for each table, as the Hub reads it."""
    tables: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for file in export.files:
        if file.key.startswith("data/"):
            suffix = file.key[file.key.index(".") :]
            tables[file.table].add((file.split, f"data/{file.table}/{file.split}-*{suffix}"))
    if not tables:
        return ""
    configs = [
        {"config_name": table, "data_files": [{"split": split, "path": path} for split, path in sorted(paths)]}
        for table, paths in sorted(tables.items())
    ]
    return f"---\n{yaml.safe_dump({'configs': configs}, sort_keys=False)}---\n"
