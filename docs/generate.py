# SPDX-License-Identifier: Apache-2.0
"""Writes the reference pages that are made from the code: settings, API and command line.

`python docs/generate.py` writes them, `python docs/generate.py --check` says which are stale.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import tidegauge
import tidegauge.asgi
import tidegauge.costs
import tidegauge.prometheus
import tidegauge.resources
import tidegauge.wsgi
from cli_page import cli_page
from sql_page import sql_page
from tidegauge.live import families
from tidegauge.settings import describe_settings

DOCS = Path(__file__).resolve().parent
HEAD = "<!-- Written by: python docs/generate.py. Change the code it is made from. -->\n"


def settings_page() -> str:
    """Every setting with its variable, type, default and meaning."""
    lines = [
        HEAD,
        "# Settings\n",
        "Given to `tidegauge.configure(name=…)`, or as the environment variable; what is given in",
        "the call wins. `tidegauge settings` shows the values in force.\n",
        "| Setting | Environment variable | Type | Default | Meaning |",
        "|---|---|---|---|---|",
    ]
    for name, variable, kind, default, meaning in describe_settings():
        escaped = kind.replace("|", "\\|")
        lines.append(f"| `{name}` | `{variable}` | `{escaped}` | `{default}` | {meaning} |")
    return "\n".join(lines) + "\n"


def api_page() -> str:
    """Every public name of the package with its signature and documentation."""
    lines = [
        HEAD,
        "# API\n",
        "What `import tidegauge as tg` offers. Errors derive from `TidegaugeError`; each says what",
        "is wrong, what was got, what is allowed and what to do.\n",
    ]
    return "\n".join([*lines, *_entries(tidegauge)])


def monitoring_page() -> str:
    """Every public name of the modules that a program imports to be monitored."""
    lines = [
        HEAD,
        "# Monitoring\n",
        "What a program imports to be monitored. How to use it:",
        "[monitoring with Prometheus](../how-to/monitor-with-prometheus.md),",
        "[watching the machine](../how-to/watch-the-machine.md),",
        "[what the cloud costs](../how-to/cloud-costs.md).\n",
    ]
    for module in _MONITORING:
        lines += [f"# {module.__name__}\n", f"{inspect.getdoc(module)}\n", *_entries(module)]
    return "\n".join(lines)


def _entries(module: ModuleType) -> list[str]:
    lines = []
    for name in module.__all__:
        value = getattr(module, name)
        if name.startswith("_"):
            continue
        lines.append(f"## {name}\n")
        if name in _ABOUT_VALUES:
            lines.append(f"{_ABOUT_VALUES[name]}\n")
        else:
            lines.append(f"```text\n{_signature(name, value)}\n```\n")
            lines.append(f"```text\n{inspect.getdoc(value) or ''}\n```\n")
            lines.extend(_methods(name, value))
    return lines


_MONITORING = (
    tidegauge.asgi,
    tidegauge.wsgi,
    tidegauge.prometheus,
    families,
    tidegauge.resources,
    tidegauge.costs,
)

_ABOUT_VALUES = {
    "DEFAULT_BUCKETS": "The bounds of a `Histogram` that is given none, as in prometheus_client.",
    "Labels": "Pairs of name and value, sorted by name.",
    "metrics_app": "The application that answers with the live metrics, ready to be mounted.",
    "Price": "US dollars for an hour: a number, a `Decimal` or a text.",
    "METRIC_NAME_PATTERN": "The compiled regular expression that a metric's name matches in full.",
    "STANDARD_METRICS": "The built-in vocabulary: full name to description. "
    "[Metrics](metrics.md) has all that is known of each.",
}


def _methods(name: str, value: object) -> list[str]:
    if not inspect.isclass(value) or issubclass(value, Exception):
        return []
    lines = []
    for method, function in vars(value).items():
        if not method.startswith("_") and inspect.isfunction(function):
            lines.append(f"### {name}.{method}\n")
            lines.append(f"```text\n{_signature(method, function)}\n```\n")
            lines.append(f"```text\n{inspect.getdoc(function) or ''}\n```\n")
    return lines


def _signature(name: str, value: Callable[..., object]) -> str:
    try:
        return f"{name}{inspect.signature(value)}"
    except ValueError:  # an enumeration
        return name


PAGES: dict[str, Callable[[], str]] = {
    "reference/settings.md": settings_page,
    "reference/api.md": api_page,
    "reference/monitoring.md": monitoring_page,
    "reference/cli.md": lambda: cli_page(HEAD),
    "reference/sql.md": lambda: sql_page(HEAD),
}


def main() -> int:
    """Write or check every page; 1 if a checked one is stale."""
    stale = []
    for path, render in PAGES.items():
        page, text = DOCS / path, render()
        if "--check" not in sys.argv:
            page.write_text(text, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != text:
            stale.append(path)
    for path in stale:
        sys.stderr.write(f"docs/{path} is stale; write it with: python docs/generate.py\n")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
