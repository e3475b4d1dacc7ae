# SPDX-License-Identifier: Apache-2.0
"""Live metrics for Prometheus: a server, collectors, and both ways into prometheus_client."""

from __future__ import annotations

from tidegauge.config import live_reading
from tidegauge.live.collectors import Collect
from tidegauge.parts import collectors
from tidegauge.serve.http import Server
from tidegauge.serve.page import MetricsPage

__all__ = ["register_collector", "start_http_server", "unregister_collector"]


def start_http_server(port: int = 0, addr: str = "127.0.0.1") -> Server:
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
    from tidegauge.serve import http

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
