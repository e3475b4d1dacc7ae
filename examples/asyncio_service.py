# SPDX-License-Identifier: Apache-2.0
"""A service with many tasks at once, each with the labels of its own request."""

from __future__ import annotations

import asyncio
import random

import tidegauge as tg

LATENCY = tg.metric("model:latency_ms", model="ranker")


@LATENCY.timer()
async def rank(query: str) -> list[str]:
    """Pretend to ask a model."""
    await asyncio.sleep(random.Random(query).uniform(0.001, 0.01))
    return sorted(query)


async def handle(number: int) -> None:
    """Handle one request; what is recorded anywhere inside carries its labels."""
    with tg.context(model_version="1" if number % 2 else "2"):
        await rank(f"query {number}")


async def serve() -> None:
    """Handle a hundred requests at once."""
    await asyncio.gather(*(handle(number) for number in range(100)))


def main() -> None:
    """Serve, and show the latency by version."""
    asyncio.run(serve())
    for row in tg.stats("model:latency_ms", hours=1, by="model_version").to_pylist():
        print(f"version {row['model_version']}: {row['count']} requests")


if __name__ == "__main__":
    main()
