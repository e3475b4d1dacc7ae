# SPDX-License-Identifier: Apache-2.0
"""What a call to a language model costs the program: read, priced and recorded.

Each call has an answer of its own, with an id of its own, for one that comes again is not recorded.
The peer is the price list's own calculation, which our call makes once per model and day.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import genai_prices

import measure
import tidegauge as tg
from measure import Case, Limit, Report

FLOOR, PEER = "append a tuple to a list", "calc_price of genai-prices"
PLAIN, STREAM = "track_llm of a function", "track_llm of a stream of 20 events"
N_CALLS, N_EVENTS = 5_000, 20
USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 340,
    "total_tokens": 1540,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
}
ANSWER = {
    "object": "chat.completion",
    "model": "o3-2025-04-16",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "At noon."},
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
    "service_tier": "default",
}
CHUNK = {
    "object": "chat.completion.chunk",
    "model": "o3-2025-04-16",
    "choices": [{"index": 0, "delta": {"content": "noon "}, "finish_reason": None}],
    "usage": None,
}
LAST = {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    report = Report("llm", floor=FLOOR, sizes={"rounds": options.rounds, "calls": N_CALLS})
    with measure.temporary_store(options.directory) as store:
        calls(store, options.rounds, report)
        tg.shutdown()
    return measure.finish(report, options, arguments)


def calls(store: Path, rounds: int, report: Report) -> None:
    """Calls one after the other, with prices that are known already."""
    tg.configure(store=store, follower="off", strict=False, journal_budget_bytes=1 << 36)
    rows: list[tuple[object, ...]] = []
    ids = itertools.count()
    at = dt.datetime.now(dt.UTC)
    usage = genai_prices.Usage(
        input_tokens=1200, cache_read_tokens=1024, output_tokens=340, output_reasoning_tokens=128
    )

    # The wrapper reads the argument.
    @tg.track_llm(provider="openai")
    def ask(model: str) -> dict[str, object]:  # noqa: ARG001
        return {**ANSWER, "id": f"chatcmpl-{next(ids)}"}

    @tg.track_llm(provider="openai")
    def stream(model: str) -> object:  # noqa: ARG001
        head = {**CHUNK, "id": f"chatcmpl-{next(ids)}"}
        return iter([head] * (N_EVENTS - 1) + [{**LAST, "id": head["id"]}])

    def append() -> None:
        keep = rows.append
        for number in range(N_CALLS):
            keep(("o3", 1200, 340, number))

    def track() -> None:
        for _ in range(N_CALLS):
            ask(model="o3")

    def track_stream() -> None:
        for _ in range(N_CALLS // N_EVENTS):
            for _ in stream(model="o3"):
                pass

    def calculate() -> None:
        for _ in range(N_CALLS // 10):
            genai_prices.calc_price(usage, "o3", provider_id="openai", genai_request_timestamp=at)

    clock = time.thread_time_ns
    cases = [
        Case(FLOOR, append, N_CALLS, tidy=rows.clear, clock=clock),
        Case(PLAIN, track, N_CALLS, clock=clock),
        Case(STREAM, track_stream, N_CALLS // N_EVENTS, clock=clock),
        Case(PEER, calculate, N_CALLS // 10, clock=clock),
    ]
    found = measure.timings(measure.interleave(cases, rounds=rounds), floor=FLOOR)
    report.timings += found
    report.limits.append(Limit(f"{PLAIN}, priced", found[1].ns / 1e3, "µs", at_most=25))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
