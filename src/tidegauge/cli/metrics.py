# SPDX-License-Identifier: Apache-2.0
"""The vocabulary at the command line: `tidegauge metrics …`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegauge.cli.arguments import complete_metric
from tidegauge.cli.command import Commands, JsonOption, StoreOption, remember
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Column, Lines, Pairs, Table, number_text
from tidegauge.cli.session import Session
from tidegauge.model.errors import QueryError

if TYPE_CHECKING:
    from tidegauge.catalog import Catalog
    from tidegauge.model.spec import MetricSpec

__all__ = ["commands", "diff", "group", "list_metrics", "search", "show", "validate"]

group = typer.Typer(
    help="The vocabulary: what metrics there are, what a name means, what changed.",
    no_args_is_help=True,
)
commands = Commands()

CatalogOption = Annotated[
    str | None,
    typer.Option(
        "--catalog",
        metavar="FILE",
        envvar="TIDEGAUGE_CATALOG",
        help="A catalogue of your own on top of the built-in one.",
    ),
]
CategoryOption = Annotated[str | None, typer.Option(help="Only this category.")]

_COLUMNS = [Column("name"), Column("kind"), Column("unit"), Column("better"), Column("description")]


@group.callback()
def _before(context: typer.Context, store: StoreOption = None, as_json: JsonOption = False) -> None:
    remember(context, store, as_json)


@commands.add("list", examples=["metrics list", "metrics list --category model --json"])
def list_metrics(
    session: Session,
    category: CategoryOption = None,
    deprecated: Annotated[bool, typer.Option(help="Names that were given up, too.")] = False,
    catalog: CatalogOption = None,
) -> None:
    """List the declared metrics.

    With --json: a list of objects with every field of each metric.
    """
    vocabulary = _catalog(session, catalog)
    found = vocabulary.search(category=category or "")
    if not found:
        _check_category(vocabulary, category)
    specs = [spec for spec in found if deprecated or spec.deprecated is None]
    rows = [
        {
            "name": spec.name,
            "kind": spec.kind.value,
            "unit": spec.unit,
            "better": "" if spec.direction == "none" else spec.direction.value,
            "description": spec.description,
        }
        for spec in specs
    ]
    session.output.show(
        [_document(spec) for spec in specs], Table(_COLUMNS, rows, empty="No metric is like that.")
    )


@commands.add(
    "search",
    examples=[
        "metrics search latency",
        "metrics search --recorded",
        "metrics search --label region",
    ],
)
def search(
    session: Session,
    text: Annotated[
        str, typer.Argument(help="Words in the name, the aliases or the description.")
    ] = "",
    prefix: Annotated[str, typer.Option(help="What the name begins with.")] = "",
    category: CategoryOption = None,
    label: Annotated[str, typer.Option(help="A label that is declared or was recorded.")] = "",
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Only metrics that have facts in the store.")
    ] = False,
    catalog: CatalogOption = None,
) -> int:
    """Find metrics in the catalogue and in the store, best match first.

    Exit code 1 if there is none.
    """
    from tidegauge.store.arrays import to_rows

    vocabulary = _catalog(session, catalog)
    # A mistyped path must not look like a store in which nothing was recorded.
    parts = session.existing if recorded else session.parts
    found = parts.query.search(text, prefix=prefix, category=category or "", label=label)
    rows = [row for row in to_rows(found) if row["count"] or not recorded]
    if not rows:
        _check_category(vocabulary, category)
    columns = [
        Column("metric"),
        Column("kind"),
        Column("unit"),
        Column("count", kind="count"),
        Column("last_seen", "last recorded"),
        Column("description"),
    ]
    session.output.show(rows, Table(columns, rows, empty="No metric is like that."))
    return ExitCode.OK if rows else ExitCode.PROBLEM


@commands.add("show", examples=["metrics show reply_rate", "metrics show model:latency_ms --json"])
def show(
    session: Session,
    name: Annotated[
        str,
        typer.Argument(help="Any name or alias of the metric.", autocompletion=complete_metric),
    ],
    catalog: CatalogOption = None,
) -> None:
    """Say what a name means, and everything that is known of the metric."""
    vocabulary = _catalog(session, catalog)
    spec = vocabulary.resolve(name)
    abroad = vocabulary.exported(name)
    document = {
        **_document(spec),
        "given": name,
        "declared": spec.name in vocabulary.metrics,
        "stored_as": list(vocabulary.stored_names(name)),
        "abroad": {
            "prometheus": abroad.prometheus,
            "otlp": abroad.otlp,
            "mlflow": vocabulary.mlflow_name(name),
        },
    }
    session.output.show(document, Pairs(_facts(spec, document), title=spec.name))


@commands.add(
    "validate",
    examples=[
        "metrics validate usage:reply_rate model/F1",
        "metrics validate --file names.txt --declared",
        "metrics validate --catalog metrics.yaml",
    ],
)
def validate(
    session: Session,
    names: Annotated[list[str] | None, typer.Argument(help="Metric names.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="A file with one name per line; - is standard input.", allow_dash=True),
    ] = None,
    declared: Annotated[
        bool, typer.Option("--declared", help="Refuse names that are not in the catalogue.")
    ] = False,
    catalog: CatalogOption = None,
) -> int:
    """Check metric names, or a catalogue. Exit code 1 if one is not valid."""
    given = [*(names or ()), *_lines(file)]
    if not given and not catalog:
        raise typer.BadParameter("give names, --file or --catalog")
    vocabulary = _catalog(session, catalog)  # a catalogue that is not valid is an error here
    rows = [_verdict(vocabulary, name, declared=declared) for name in given]
    bad = sum(not row["valid"] for row in rows)
    if not rows:
        session.output.show(
            {"valid": True, "metrics": len(vocabulary)},
            Lines(f"The catalogue is valid: {len(vocabulary)} metrics."),
        )
        return ExitCode.OK
    columns = [
        Column("name"),
        Column("valid"),
        Column("metric", "means"),
        Column("problem"),
        Column("fix", "what to do"),
    ]
    session.output.show(
        rows, Table(columns, rows), Lines(f"{len(rows) - bad} of {len(rows)} names are valid.")
    )
    return ExitCode.PROBLEM if bad else ExitCode.OK


@commands.add(
    "diff",
    examples=["metrics diff metrics-1.yaml metrics-2.yaml --check", "metrics diff builtin my.yaml"],
)
def diff(
    session: Session,
    before: Annotated[str, typer.Argument(help="A catalogue file, or 'builtin'.")],
    after: Annotated[str, typer.Argument(help="A catalogue file, or 'builtin'.")],
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 if a change breaks something.")
    ] = False,
) -> int:
    """Show what changed between two catalogues, and which changes break programs or dashboards.

    A change breaks if a fact that was accepted is refused, a name means something else, stored
    values are read differently, or a name abroad is gone.
    """
    from tidegauge.catalog import diff_catalogs

    changes = diff_catalogs(_load(before), _load(after))
    breaking = sum(change.breaking for change in changes)
    rows = [
        {
            "breaking": change.breaking,
            "kind": change.kind,
            "metric": change.metric,
            "text": change.text,
        }
        for change in changes
    ]
    columns = [Column("breaking"), Column("kind"), Column("metric"), Column("text", "change")]
    session.output.show(
        {"breaking": breaking, "changes": rows},
        Table(columns, rows, empty="No difference."),
        Lines(f"{len(rows)} changes, {breaking} of them breaking."),
    )
    return ExitCode.PROBLEM if check and breaking else ExitCode.OK


def _catalog(session: Session, source: str | None) -> Catalog:
    if source is not None:
        session.given["catalog"] = source
    return session.parts.catalog


def _check_category(vocabulary: Catalog, category: str | None) -> None:
    if category and category not in vocabulary.categories:
        raise QueryError(
            "there is no such category",
            got=category,
            allowed=", ".join(sorted(vocabulary.categories)),
        )


def _load(source: str) -> Catalog:
    from tidegauge.catalog import builtin_catalog, load_catalog

    return builtin_catalog() if source == "builtin" else load_catalog(source)


def _document(spec: MetricSpec) -> dict[str, Any]:
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(spec)
    return {**document, "category": spec.category, "combine": spec.combined_by.value}


def _facts(spec: MetricSpec, document: dict[str, Any]) -> list[tuple[str, object]]:
    bounds = f"{number_text(spec.min)} … {number_text(spec.max)}"
    facts: list[tuple[str, object]] = [
        ("description", spec.description or "(not declared: an open gauge)"),
        ("kind", spec.kind.value),
        ("unit", spec.unit),
        ("better", spec.direction.value),
        ("bounds", bounds if (spec.min, spec.max) != (None, None) else "none"),
        ("combined by", spec.combined_by.value),
        ("targets", [f"{t.stat} {t.op} {number_text(t.value)}" for t in spec.targets]),
        ("labels", [_label(name, label.values) for name, label in spec.labels.items()]),
        ("buckets", [number_text(bound) for bound in spec.buckets]),
        ("aliases", spec.aliases),
        ("stored as", document["stored_as"] if len(document["stored_as"]) > 1 else ()),
        ("deprecated", f"since {spec.deprecated.since}" if spec.deprecated else ""),
        ("owner", spec.owner or ""),
        *document["abroad"].items(),
    ]
    return [(name, value) for name, value in facts if value not in ("", (), [])]


def _label(name: str, values: tuple[str, ...]) -> str:
    return f"{name} ({', '.join(values)})" if values else name


def _verdict(vocabulary: Catalog, name: str, *, declared: bool) -> dict[str, object]:
    from tidegauge.catalog import MetricValidationError

    try:
        metric = vocabulary.canonical(name)
    except MetricValidationError as error:
        return _refused(name, error.reason, error.what, error.fix)
    known = metric in vocabulary.metrics
    if declared and not known:
        fix = "Declare it in a catalogue, or correct the name."
        return _refused(name, "unknown_metric", f"{metric} is not declared", fix)
    return {"name": name, "valid": True, "metric": metric, "declared": known}


def _refused(name: str, reason: str, problem: str, fix: str) -> dict[str, object]:
    return {
        "name": name,
        "valid": False,
        "metric": None,
        "reason": reason,
        "problem": problem,
        "fix": fix,
    }


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]


commands.join(group)
