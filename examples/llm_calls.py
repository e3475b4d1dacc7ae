# SPDX-License-Identifier: Apache-2.0
"""An assistant that asks a language model: what it used, what it cost, and who asked for it.

The model is a stand-in with the answers of a provider, so that this runs without a key. With a real
client, `client = tg.track_llm(openai.OpenAI())` is all there is to do.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import tidegauge as tg

_ids = itertools.count(1)


class StandIn:
    """Answers as OpenAI's chat interface does."""

    def ask(self, question: str, *, model: str) -> dict[str, Any]:
        """A whole answer."""
        words = len(question.split())
        return {
            "id": f"chatcmpl-{next(_ids)}",
            "model": model,
            "choices": [{"message": {"content": "At noon."}, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": 1_000 + words,
                "completion_tokens": 220,
                "prompt_tokens_details": {"cached_tokens": 896},
                "completion_tokens_details": {"reasoning_tokens": 192},
            },
        }

    def refuse(self) -> None:
        """What happens when it takes too long."""
        raise TimeoutError("the model took too long")

    def stream(self, *, model: str) -> Iterator[dict[str, Any]]:
        """The same in pieces; the last one says how many tokens it was."""
        head = {"id": f"chatcmpl-{next(_ids)}", "model": model}
        for piece in ("At ", "noon."):
            yield {**head, "choices": [{"delta": {"content": piece}}]}
        usage = {"prompt_tokens": 1_004, "completion_tokens": 40}
        yield {**head, "choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage}


stand_in = StandIn()


@tg.track_llm(provider="openai")
def ask(question: str, *, model: str) -> dict[str, Any]:
    """Ask a question; each call is a row with its tokens and its cost."""
    return stand_in.ask(question, model=model)


def main() -> None:
    """Questions of two users, a stream, a failure, and what they come to."""
    for user, question in (("ann", "When is high tide?"), ("bob", "And at Delfzijl?")):
        # Whatever is asked in here is for this user; the block itself adds nothing.
        with tg.track_llm(feature="tides", user_id=user):
            ask(question, model="o3")
            ask("Are you sure?", model="gpt-4.1-mini")

    with tg.track_llm(provider="openai", model="o3", feature="tides") as call:
        answer = "".join(
            choice["delta"].get("content", "")
            for chunk in call.stream(stand_in.stream(model="o3"))
            for choice in chunk["choices"]
        )
    print(answer)

    try:
        with tg.track_llm(provider="openai", model="o3", feature="tides"):
            stand_in.refuse()
    except TimeoutError as error:
        print(f"failed: {error}")

    ask("What does this model cost?", model="a-model-of-our-own")

    query = """
        SELECT model, count(*) AS calls, sum(input_tokens), sum(cache_read_tokens),
               sum(output_tokens), sum(cost), count(unpriced_reason) AS unpriced
        FROM llm_calls GROUP BY model ORDER BY model
    """
    for row in tg.sql(query).fetchall():
        print(row)


if __name__ == "__main__":
    main()
