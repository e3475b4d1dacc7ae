# SPDX-License-Identifier: Apache-2.0
"""Live metrics for Prometheus: metrics, a server, collectors, both ways into prometheus_client.

The classes of metrics are those of prometheus_client by name and use, and are recorded like
everything else; `tidegauge.integrations.prometheus_metrics` says what differs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tidegauge.asgi import make_asgi_app
from tidegauge.config import live_reading
from tidegauge.integrations.prometheus_metrics import Counter, Gauge, Histogram, Summary
from tidegauge.live.collectors import Collect
from tidegauge.parts import collectors
from tidegauge.serve import http
from tidegauge.serve import prometheus_client as library
from tidegauge.serve.page import MetricsPage
from tidegauge.wsgi import make_wsgi_app

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector

    from tidegauge.live.families import Samples

__all__ = [
    "Counter",
    "Gauge",
    "Histogram",
    "Summary",
    "TidegaugeCollector",
    "include_registry",
    "make_asgi_app",
    "make_wsgi_app",
    "register_collector",
    "start_http_server",
    "unregister_collector",
]


#: Whether this thread is reading a registry for a page of ours.
_including = threading.local()


class TidegaugeCollector(library.TidegaugeCollector):
    """The live metrics of the store, for a registry of prometheus_client that is served already.

    Where that registry is included in ours (`include_registry`), it gives nothing: they are there.

    Raises:
        MissingExtraError: prometheus_client is not installed.

    Example:
        >>> from prometheus_client import CollectorRegistry
        >>> from tidegauge.prometheus import TidegaugeCollector
        >>> registry = CollectorRegistry()
        >>> registry.register(TidegaugeCollector())
    """

    def __init__(self) -> None:
        super().__init__(live_reading)

    def collect(self) -> Iterator[Metric]:
        """The families of a reading that are not only for OTLP."""
        return iter(()) if getattr(_including, "is_so", False) else super().collect()


def include_registry(registry: Collector, name: str = "prometheus_client") -> str:
    """Show the metrics of a registry of prometheus_client on our pages, as this process has them.

    Args:
        registry: The registry, such as `prometheus_client.REGISTRY`, or a collector.
        name: What to call it, as for `register_collector`.

    Returns:
        The name, for `unregister_collector`.

    Example:
        >>> import prometheus_client
        >>> from tidegauge.prometheus import include_registry, unregister_collector
        >>> include_registry(prometheus_client.CollectorRegistry())
        'prometheus_client'
        >>> unregister_collector("prometheus_client")
    """

    def collect() -> Iterable[Samples]:
        _including.is_so = True
        try:
            return library.families_of(registry)
        finally:
            _including.is_so = False

    return collectors.register(collect, name)


def start_http_server(port: int = 0, addr: str = "127.0.0.1") -> http.Server:
    """Serve the live metrics of this process's store in a daemon thread.

    One server per store is enough: it answers for all processes that record there.

    Args:
        port: The port; 0 for a free one.
        addr: The address; others than this machine see the metrics only if this is `0.0.0.0`, `::`
            or an address of a network.

    Returns:
        The server, with `url`, `port` and `stop()`.

    Raises:
        ConfigError: The port is in use, or the address cannot be used.

    Example:
        >>> from tidegauge.prometheus import start_http_server
        >>> server = start_http_server()
        >>> server.stop()
    """
    return http.start_http_server(MetricsPage(live_reading), port, addr)


def register_collector(collect: Collect, name: str = "") -> str:
    """Have a callable contribute families whenever this process is asked for live metrics.

    It works however many workers there are: the one that answers calls its own. If it raises, the
    rest of the page is shown, the failure is logged, and `tidegauge_collector_failed` is 1.

    Args:
        collect: Returns families, such as those of `tidegauge.live.families.gauge`.
        name: What to call it; the callable's own name if empty. A second collector of the same
            name replaces the first.

    Returns:
        The name, for `unregister_collector`.

    Example:
        >>> from tidegauge.live.families import gauge
        >>> from tidegauge.prometheus import register_collector, unregister_collector
        >>> def queue():
        ...     yield gauge("jobs_waiting", "Jobs that wait", 3)
        >>> register_collector(queue)
        'queue'
        >>> unregister_collector("queue")
    """
    return collectors.register(collect, name)


def unregister_collector(name: str) -> None:
    """Have a collector contribute no more; no effect if there is none of that name."""
    collectors.unregister(name)
