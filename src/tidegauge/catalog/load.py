# SPDX-License-Identifier: Apache-2.0
"""Where catalogues come from: the built-in vocabulary, YAML files, Python files and modules."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType

import msgspec

from tidegauge.catalog.registry import Catalog
from tidegauge.model.errors import CatalogError
from tidegauge.model.spec import MetricSpec

__all__ = ["BUILTIN_DIRECTORY", "builtin_catalog", "load_catalog", "standard_metrics"]

#: The YAML files of the built-in vocabulary, one per category.
BUILTIN_DIRECTORY = Path(__file__).parent / "builtin"


@functools.cache
def builtin_catalog() -> Catalog:
    """The built-in vocabulary. Read at the first call, then kept.

    That takes 5 ms on a two-core machine, and 25 ms more where nothing has imported yaml yet.
    """
    catalog = Catalog()
    categories: dict[str, str] = {}
    specs: list[MetricSpec] = []
    for path in sorted(BUILTIN_DIRECTORY.glob("*.yaml")):
        declared = _read(path, path.name)
        categories |= declared.categories
        specs += declared.metrics
    return catalog.extended(specs, categories=categories, source="the built-in vocabulary")


@functools.cache
def standard_metrics() -> Mapping[str, str]:
    """Full name to description of every metric of the built-in vocabulary that is in use."""
    return MappingProxyType(
        {
            name: spec.description
            for name, spec in builtin_catalog().metrics.items()
            if spec.deprecated is None
        }
    )


def load_catalog(
    source: str | Path, *, base: Catalog | None = None, closed: bool = False
) -> Catalog:
    """Read a catalogue of your own on top of another.

    Args:
        source: A YAML file (`.yaml`, `.yml`) with `metrics`, `categories` and `closed`; a Python
            file (`.py`), or the dotted name of a module, with a list `METRICS` of `MetricSpec`
            and, if wanted, a dict `CATEGORIES` and a bool `CLOSED`.
        base: What it extends; None is the built-in vocabulary. `Catalog()` is nothing at all.
        closed: Whether names that neither declares are refused; a source can say so too.

    Raises:
        CatalogError: The source cannot be read, has unknown keys, breaks a rule, or declares
            something that the base declares differently.
    """
    if not isinstance(source, str | Path):
        raise _unreadable(repr(source), "it is not a path")
    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        declared = _read(path, str(source))
    else:
        declared = _declared_in(_imported(source, path), str(source))
    return (builtin_catalog() if base is None else base).extended(
        declared.metrics,
        categories=declared.categories,
        source=str(source),
        closed=closed or declared.closed,
    )


class _Declared(msgspec.Struct, frozen=True):
    metrics: list[MetricSpec]
    categories: dict[str, str]
    closed: bool


def _read(path: Path, source: str) -> _Declared:
    # Imported here, so that only those who read YAML pay for it.
    from tidegauge.catalog.yaml_file import read_yaml_catalog

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # such as not UTF-8, or a null character in the path
        raise _unreadable(source, str(error)) from error
    return _Declared(*read_yaml_catalog(text, source))


def _imported(source: str | Path, path: Path) -> ModuleType:
    name = str(source)
    is_module = all(part.isidentifier() for part in name.split("."))
    if path.suffix != ".py" and (not is_module or path.is_file()):
        problem = "it is no YAML or Python file" if path.exists() else "there is no such file"
        raise _unreadable(name, problem)
    try:
        if path.suffix != ".py":
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(f"tidegauge_catalog_{path.stem}", path)
        assert spec is not None  # because of the suffix
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except CatalogError:
        raise
    except Exception as error:  # the file is the user's; what it raises is passed on as the cause
        problem = f"{type(error).__name__}: {error}"
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            problem = f"no catalogue file and no module is called so ({error})"
        raise _unreadable(name, problem) from error
    return module


def _declared_in(module: ModuleType, source: str) -> _Declared:
    metrics = getattr(module, "METRICS", None)
    if not isinstance(metrics, list | tuple) or not all(
        isinstance(spec, MetricSpec) for spec in metrics
    ):
        raise CatalogError(
            f"{source} declares no metrics",
            got=type(metrics).__name__ if metrics is not None else None,
            allowed="a list METRICS of MetricSpec",
            fix="Add METRICS = [MetricSpec(name=…, description=…), …].",
        )
    categories = getattr(module, "CATEGORIES", {})
    if not isinstance(categories, dict):
        raise CatalogError(
            f"CATEGORIES of {source} is not a dict",
            got=categories,
            allowed="category to description",
            fix="Write CATEGORIES = {'name': 'what it holds'}.",
        )
    return _Declared(list(metrics), categories, bool(getattr(module, "CLOSED", False)))


def _unreadable(source: str, problem: str) -> CatalogError:
    return CatalogError(
        f"catalogue {source} cannot be read: {problem}",
        allowed="a YAML file (.yaml, .yml), a Python file (.py), or the name of a module",
        fix="Check the path.",
    )
