"""`factory export`: a view of a finished run, written where a trainer, an RL loop or an evaluator reads it."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer


def export(
    view: Annotated[str | None, typer.Argument(help="The view: see --list.")] = None,
    uri: Annotated[str | None, typer.Argument(help="The run: the value of its job's --out.")] = None,
    *,
    out: Annotated[str | None, typer.Option(help="Where it goes: a directory or s3://bucket/prefix.")] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the view: key=value; may be repeated.")
    ] = None,
    ray: Annotated[bool, typer.Option("--ray", help="As tasks of the cluster that RAY_ADDRESS names.")] = False,
    show: Annotated[bool, typer.Option("--list", help="What each view is, or the options of the one named.")] = False,
) -> None:
    """Turn a finished run into the rows that a consumer reads, without a model; killed, the same command continues.

    Reads the whole journal: losing traces are there too. `factory export sft RUN --out OUT --set fraction=0.1`.
    """
    from factory.errors import FactoryError
    from factory.store.publish import in_process
    from factory.views.export import export as write
    from factory.views.registry import VIEWS, named, options_of

    if show:
        print("\n".join(_described(named(view)) if view else [_line(one) for one in VIEWS.values()]))
        return
    if view is None or uri is None or out is None:
        missing = next(word for word, value in (("VIEW", view), ("URI", uri), ("--out", out)) if value is None)
        raise FactoryError(
            f"factory export lacks {missing}",
            remedy="factory export VIEW URI --out URI; `factory export --list` names the views",
        )
    chosen = named(view)
    options = options_of(chosen, given or [])
    mapper = in_process
    if ray:
        from factory.launch import start_ray
        from factory.pipeline import on_cluster

        start_ray(verbose=False)
        mapper = on_cluster
    done = write(chosen, uri, out, options, mapper=mapper, emit=lambda line: print(line, file=sys.stderr, flush=True))
    funnel = done.funnel
    rows = ", ".join(f"{n:,} rows of {table}" for table, n in sorted(funnel.rows.items()))
    print(f"{funnel.used:,} of {funnel.read:,} {funnel.unit} -> {rows or 'no rows'} at {out}")
    for reason, n in funnel.left_out.most_common():
        print(f"  left out: {n:,} {reason}")
    for line in chosen.says(options, funnel):
        print(f"  {line}")


def _line(view: Any) -> str:
    return f"{view.name:18} {_about(view)}"


def _about(view: Any) -> str:
    return " ".join((view.__doc__ or "").split("\n\n")[0].split())


def _described(view: Any) -> list[str]:
    """The options of a view, each with its default and its help."""
    lines = [_line(view), "", "options (--set key=value):"]
    for name, field in view.options.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = [getattr(value, "value", value) for value in default] if isinstance(default, list) else default
        lines.append(f"  {name} = {'none' if shown is None else shown}")
        lines.append(f"      {' '.join((field.description or '').split())}")
    return lines
