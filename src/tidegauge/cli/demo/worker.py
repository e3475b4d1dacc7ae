# SPDX-License-Identifier: Apache-2.0
"""One server process of the demo: answers its share of the requests and records each latency.

Run as `python -m tidegauge.cli.demo.worker JOB.json`.
"""

from __future__ import annotations

import pickle
import sys
import time
from pathlib import Path

import msgspec

import tidegauge as tg
from tidegauge.cli.demo.board import Board
from tidegauge.cli.demo.training import MODEL, split

__all__ = ["Job", "serve"]

_PAUSE_S = 0.001


class Job(msgspec.Struct, frozen=True):
    """What a worker is to do.

    Attributes:
        number: Its number, from 1.
        share: It answers the requests whose number has this remainder …
        shares: … divided by this; what is answered already it leaves out.
        store: Directory of the store.
        board: File of the board.
        models: Version to file of a pickled model.
        spoil: Whether it also tries to record something that is no number.
    """

    number: int
    share: int
    shares: int
    store: str
    board: str
    models: dict[str, str]
    spoil: bool = False


def serve(job: Job) -> None:
    """Answer the requests of a job."""
    tg.configure(store=job.store, service="digits-api", strict=False)
    board = Board(Path(job.board))
    models = {
        version: pickle.loads(Path(path).read_bytes())  # noqa: S301  (the demo wrote it)
        for version, path in job.models.items()
    }
    versions = list(models)
    latency = {
        version: tg.metric(
            "model:latency_ms", model=MODEL, model_version=version, worker=job.number
        )
        for version in versions
    }
    _, images, _, _ = split()
    for model in models.values():
        model.predict(images[:1])  # the first call of a process is not like the others
    board.get_ready(job.number)
    while not board.started:
        time.sleep(_PAUSE_S)
    for request in range(job.share, board.requests, job.shares):
        if board.answered_by(request):
            continue
        version = versions[request // job.shares % len(versions)]
        image = images[request % len(images)].reshape(1, -1)
        started_s = time.perf_counter()
        models[version].predict(image)
        latency[version].record((time.perf_counter() - started_s) * 1000)
        board.acknowledge(request, job.number)
        time.sleep(_PAUSE_S)
    if job.spoil:
        tg.log_metric("model:prediction_confidence", float("nan"), model=MODEL)


if __name__ == "__main__":
    serve(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job))
