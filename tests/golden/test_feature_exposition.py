# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is shown of the rows about features, as a file that people review.

A change of a name or label breaks somebody's dashboard, so it should be seen in the diff of a
commit. Where the change is wanted, write the file anew:
`python tests/golden/test_feature_exposition.py`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tidegauge.catalog import builtin_catalog
from tidegauge.config import configure, start_over
from tidegauge.integrations.feature_records import FeatureRecords
from tidegauge.live.live import Live
from tidegauge.serve.exposition import Exposition
from tidegauge.serve.spelling import Omissions
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store

GOLDEN = Path(__file__).with_name("feature_exposition.txt")


def record() -> None:
    """Rows of every table, with and without what may be left out."""
    records = FeatureRecords()
    engine = "learning-engine"
    records.record_performance_metric(engine, "response_time", "recognize_ms", 90.0, "ms")
    records.record_performance_metric(engine, "response_time", "recognize_ms", 125.5, "ms")
    records.record_performance_metric(engine, "throughput", "requests", 3, None)
    records.record_performance_metric(engine, "throughput", "requests", 4, "")
    records.record_satisfaction(engine, "accuracy", 0.92)
    records.record_satisfaction(engine, "accuracy", 3)
    records.record_satisfaction(engine, "speed", 9, scale="0-10")
    records.record_feature_usage(engine, "recognize", 125.5, user_context="morning", user="u1")
    records.record_feature_usage(engine, "recognize", 7.5, success=False, error_type="E")
    records.record_feature_usage(engine, "recognize", success=None)
    records.record_learning_effectiveness(engine, "prediction", 0.92, 0.88, 1000, 0.05)
    records.record_optimization_impact("optimizer", "o1", "accuracy", 40.0, 30.0, 0.85)
    records.record_optimization_impact("optimizer", "o2", "accuracy", 0, 30.0)
    records.record_resource_utilization("memory", "cache", 65.5, 1024, 670, "MB")
    records.record_error(engine, "ValueError", "warning", "m", True, True, "low")
    records.record_error(engine, "ValueError", "warning", "m", True, False, "low")
    records.record_error(engine, "KeyError")


def rendered(root: Path, *, drained: bool = False) -> str:
    """The page without what it says of the store itself, and without the buckets."""
    configure(store=root, strict=True, follower="off", service="shop")
    try:
        record()
        if drained:
            DrainFollower(Store(root)).advance(force=True)
        reading = Live(Store(root), builtin_catalog()).read()
        page = Exposition(openmetrics=False, omissions=Omissions()).render(reading).decode()
    finally:
        start_over()
    lines = [line for line in page.splitlines() if "tidegauge_" not in line]
    return "\n".join(line for line in lines if "_bucket{" not in line) + "\n"


def test_the_page_is_that_of_the_file(store_dir: Path) -> None:
    """The committed file is what is shown; see above for how to change it."""
    assert rendered(store_dir) == GOLDEN.read_text()


def test_the_page_is_the_same_once_the_rows_are_stored(store_dir: Path) -> None:
    """Where the rows are does not matter."""
    assert rendered(store_dir, drained=True) == GOLDEN.read_text()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        GOLDEN.write_text(rendered(Path(directory)))
