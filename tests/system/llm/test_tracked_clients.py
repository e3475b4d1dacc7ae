# SPDX-License-Identifier: Apache-2.0
"""`track_llm` around the real clients: each request is one row with what the provider charges."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.testing import Captured, capture

pytestmark = pytest.mark.system

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = {
    path.stem: json.loads(path.read_text()) for path in sorted((GOLDEN / "llm").glob("*.json"))
}
ERRORS = json.loads((GOLDEN / "llm_errors.json").read_text())
#: There is no SDK of LiteLLM here; Bedrock's InvokeModel answers in whatever shape a vendor has.
HERE = [
    name
    for name, case in CASES.items()
    if case["api"] not in ("litellm.completion", "bedrock.invoke_model")
]
WHOLE = [name for name in HERE if not CASES[name].get("cut")]
CUT = [name for name in HERE if CASES[name].get("cut")]
#: What old versions of botocore leave out.
NEW_IN_BOTOCORE = {
    "bedrock_converse_cached": ("TokenUsage", "cacheDetails"),
    "bedrock_flex": ("ConverseResponse", "serviceTier"),
}
BUCKETS = (
    "input_uncached_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "cache_read_tokens",
    "cache_read_audio_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_text_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "output_image_tokens",
)


@pytest.fixture
def captured() -> Iterator[Captured]:
    """A store of one's own in strict mode."""
    with capture() as found:
        yield found


@pytest.fixture
def rows(captured: Captured) -> Callable[[], list[dict[str, Any]]]:
    """The calls that were recorded so far."""
    return lambda: [
        {**fact.columns, **fact.labels} for fact in captured.facts if fact.table == "llm_calls"
    ]


def run(clients: Any, case: dict[str, Any], **said: Any) -> list[Any]:
    """Make the request of a case with a tracked client, and read the answer to its end."""
    method = METHODS[case["api"]](clients, case, said)
    answer = method(**case["request"])
    if case["api"] == "bedrock.converse" and case["stream"]:
        return list(answer["stream"])
    return list(answer) if case["stream"] else [answer]


def _tracked(get: Callable[[Any], Any], path: str, stream_path: str = "") -> Callable[..., Any]:
    def method(clients: Any, case: dict[str, Any], said: dict[str, Any]) -> Any:
        owner = tg.track_llm(get(clients), **{"provider": case["provider"], **said})
        names = (stream_path if case["stream"] and stream_path else path).split(".")
        for name in names:
            owner = getattr(owner, name)
        return owner

    return method


METHODS: dict[str, Callable[..., Any]] = {
    "openai.chat": _tracked(lambda clients: clients.openai, "chat.completions.create"),
    "openai.responses": _tracked(lambda clients: clients.openai, "responses.create"),
    "openai.embeddings": _tracked(lambda clients: clients.openai, "embeddings.create"),
    "anthropic.messages": _tracked(lambda clients: clients.anthropic, "messages.create"),
    "gemini.generate_content": _tracked(
        lambda clients: clients.gemini, "models.generate_content", "models.generate_content_stream"
    ),
    "bedrock.converse": _tracked(lambda clients: clients.bedrock, "converse", "converse_stream"),
    "mistral.chat": _tracked(lambda clients: clients.mistral, "chat.complete", "chat.stream"),
}


def tokens(row: dict[str, Any]) -> dict[str, int]:
    """The buckets of a row that have something."""
    return {name: row[name] for name in BUCKETS if row.get(name)}


@pytest.mark.parametrize("name", WHOLE)
def test_a_call_is_recorded_with_what_the_provider_charges(
    name: str, llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """The row has the tokens of each bucket, their totals, the model and the id of the answer."""
    case = CASES[name]
    shape, member = NEW_IN_BOTOCORE.get(name, ("TokenUsage", "inputTokens"))
    known = clients.bedrock.meta.service_model.shape_for(shape).members
    if case["provider"] == "aws" and member not in known:
        pytest.skip(f"this version of botocore leaves {member} out")
    llm_server.play(case)
    run(clients, case)
    [row] = rows()
    assert tokens(row) == (case["tokens"] or {})
    if case["tokens"] is not None:
        assert (row["input_tokens"], row["output_tokens"]) == (
            case["input_tokens"],
            case["output_tokens"],
        )
    assert row.get("response_id") == case["response_id"]
    assert row.get("response_model") == case["response_model"]
    assert row.get("service_tier") == case["service_tier"]
    assert row.get("finish_reason") == case["finish"]
    assert row["is_stream"] is case["stream"]
    assert row["usage"] == ("missing" if case["tokens"] is None else "provider")
    asked = case["request"].get("model") or case["request"].get("modelId")
    assert row["model"] == asked
    assert row["wire_requests"] == 1


@pytest.mark.parametrize("name", CUT)
def test_a_cut_stream_has_missing_usage(
    name: str, llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """A stream that breaks is one failed call without a cost, and with what was said until then."""
    case = CASES[name]
    llm_server.play(case)
    with pytest.raises(Exception):  # noqa: B017  (each SDK has its own)
        run(clients, case)
    [row] = rows()
    assert (row["status"], row["usage"]) == ("error", "missing")
    assert row["error_class"] == "connection"
    assert row.get("cost") is None
    assert row["unpriced_reason"] == "usage_missing"
    assert tokens(row) == (case["tokens"] or {})


ASYNC = [
    "openai_chat",
    "openai_chat_stream",
    "openai_responses_stream",
    "anthropic_cached",
    "anthropic_stream_thinking",
    "gemini_thoughts",
    "gemini_stream",
    "mistral_cached",
    "mistral_stream",
]


@pytest.mark.parametrize("name", ASYNC)
def test_an_asynchronous_client_counts_the_same(
    name: str, llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """Coroutines and asynchronous streams are recorded as plain calls are."""
    case = CASES[name]
    llm_server.play(case)
    asyncio.run(_run_async(clients, case))
    [row] = rows()
    assert tokens(row) == case["tokens"]
    assert row["is_stream"] is case["stream"]
    assert row["response_id"] == case["response_id"]


async def _run_async(clients: Any, case: dict[str, Any]) -> None:
    family = case["api"].partition(".")[0]
    async with getattr(clients, f"async_{family}")() as client:
        tg.track_llm(client, provider=case["provider"])
        method: Any = {
            "openai.chat": lambda: client.chat.completions.create,
            "openai.responses": lambda: client.responses.create,
            "anthropic.messages": lambda: client.messages.create,
            "gemini.generate_content": lambda: getattr(
                client.models, "generate_content_stream" if case["stream"] else "generate_content"
            ),
            "mistral.chat": lambda: (
                client.chat.stream_async if case["stream"] else client.chat.complete_async
            ),
        }[case["api"]]()
        answer = await method(**case["request"])
        if case["stream"]:
            async for _ in answer:
                pass


@pytest.mark.parametrize("is_async", [False, True])
def test_anthropic_s_stream_helper_counts_once(
    is_async: bool, llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """`messages.stream` is one call with the tokens of the stream, whatever is read of it."""
    case = CASES["anthropic_stream_thinking"]
    request = {key: value for key, value in case["request"].items() if key != "stream"}
    llm_server.play(case)

    def plain() -> Any:
        client = tg.track_llm(clients.anthropic, provider="anthropic")
        with client.messages.stream(**request) as stream:
            return stream.get_final_message()

    async def awaited() -> Any:
        async with clients.async_anthropic() as client:
            tg.track_llm(client, provider="anthropic")
            async with client.messages.stream(**request) as stream:
                return await stream.get_final_message()

    message = asyncio.run(awaited()) if is_async else plain()
    assert message.id == case["response_id"]
    [row] = rows()
    assert (tokens(row), row["status"]) == (case["tokens"], "success")


def test_openai_s_helpers_count_once(
    llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """`stream`, `parse` and `with_raw_response` are one call each, though some call `create`."""
    client = tg.track_llm(clients.openai, provider="openai")
    case = CASES["openai_chat_stream"]
    request = {key: value for key, value in case["request"].items() if key != "stream"}
    llm_server.play(case)
    with client.chat.completions.stream(**request) as stream:
        for _ in stream:
            pass
    llm_server.play(CASES["openai_chat"])
    client.chat.completions.parse(**CASES["openai_chat"]["request"])
    llm_server.play(CASES["openai_chat_cached"])
    raw = client.chat.completions.with_raw_response.create(**CASES["openai_chat_cached"]["request"])
    assert raw.parse().id == CASES["openai_chat_cached"]["response_id"]
    assert [tokens(row) for row in rows()] == [
        CASES[name]["tokens"]
        for name in ("openai_chat_stream", "openai_chat", "openai_chat_cached")
    ]


@pytest.mark.parametrize("name", ["openai_chat", "anthropic", "bedrock_converse"])
def test_requests_that_a_client_repeats_are_attempts_of_one_call(
    name: str, llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """Two refusals that a client hides make three requests of one operation, charged once."""
    case = CASES[name]
    llm_server.play(case)
    llm_server.fail("rate_limit", times=2)
    run(clients, case)
    [row] = rows()
    assert (row["wire_requests"], row["attempt"], row["status"]) == (3, 1, "success")
    assert tokens(row) == case["tokens"]


def test_attempts_of_one_operation_are_numbered(
    llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """Inside a block of one operation, each try is a row, and only the first is a request."""
    case = CASES["gemini"]  # whose client does not try again by itself
    llm_server.play(case)
    llm_server.fail("server", times=1000)
    with tg.track_llm(one_operation=True, feature="tides"):
        with pytest.raises(Exception):  # noqa: B017
            run(clients, case)
        llm_server._failures.clear()
        run(clients, case)
    first, second = rows()
    assert first["operation_id"] == second["operation_id"]
    assert [first["attempt"], second["attempt"]] == [1, 2]
    assert [first["status"], second["status"]] == ["error", "success"]
    assert [first["feature"], second["feature"]] == ["tides", "tides"]


CLASSES = {
    "rate_limit": "rate_limit",
    "auth": "auth",
    "server": "server",
    "overloaded": "server",
    "content_filter": "content_filter",
    "invalid_request": "invalid_request",
}
#: One plain case of each interface.
PLAIN = {CASES[name]["api"]: name for name in reversed(WHOLE) if not CASES[name]["stream"]}


@pytest.mark.parametrize(
    ("api", "kind"),
    [(api, kind) for api in PLAIN for kind in CLASSES if kind in ERRORS.get(api, {})],
)
def test_a_failure_has_its_class_and_costs_nothing(
    api: str,
    kind: str,
    llm_server: Any,
    clients: Any,
    rows: Callable[[], list[dict[str, Any]]],
) -> None:
    """A refused request is a failed call of a kind, has no tokens, and is not called unpriced."""
    case = CASES[PLAIN[api]]
    llm_server.play(case)
    llm_server.fail(kind, times=1000)
    with pytest.raises(Exception) as caught:
        run(clients, case)
    [row] = rows()
    assert (row["status"], row["error_class"]) == ("error", CLASSES[kind])
    assert row["error_type"] == type(caught.value).__qualname__
    assert (row.get("cost"), row.get("unpriced_reason"), tokens(row)) == (None, None, {})


@pytest.mark.parametrize("name", ["openai_chat_stream", "anthropic_stream", "gemini_stream"])
@pytest.mark.parametrize("how", ["close", "forget"])
def test_a_stream_that_nobody_reads_on_is_recorded(
    name: str,
    how: str,
    llm_server: Any,
    clients: Any,
    rows: Callable[[], list[dict[str, Any]]],
) -> None:
    """Closing a stream early, or forgetting it, is a cancelled call of which usage is missing."""
    case = CASES[name]
    llm_server.play(case)
    stream = METHODS[case["api"]](clients, case, {})(**case["request"])
    next(iter(stream))
    if how == "close":
        stream.close()
    del stream
    gc.collect()
    [row] = rows()
    assert (row["status"], row["error_class"]) == ("error", "cancelled")
    assert (row["usage"], row["unpriced_reason"]) == ("missing", "usage_missing")


def test_times_of_a_stream(
    llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """The first token is not the first event; from it on, tokens have a pace."""
    case = CASES["anthropic_stream"]
    llm_server.play(case)
    run(clients, case)
    [row] = rows()
    assert 0 < row["ttft_s"] < row["latency_s"]
    rest_s = row["latency_s"] - row["ttft_s"]
    n = case["output_tokens"]
    assert row["tpot_s"] == pytest.approx(rest_s / (n - 1))
    assert row["output_tokens_per_s"] == pytest.approx(n / rest_s)


def test_an_answer_that_comes_again_counts_once(
    llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """The same id is the same answer: of a cache, or of a second instrument."""
    case = CASES["openai_chat"]
    llm_server.play(case)
    run(clients, case)
    run(clients, case)
    with tg.track_llm(provider="openai", model="gpt-4.1") as call:
        call.response(case["response"])
    assert len(rows()) == 1


def test_only_the_innermost_call_counts(
    llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """What is around tracked calls adds no tokens, and tells them what they do not know."""
    case = CASES["openai_chat_stream"]
    llm_server.play(case)
    client = tg.track_llm(clients.openai, provider="openai")

    @tg.track_llm(model="agent", feature="planner", user_id="u-7")
    def agent() -> Any:
        return client.chat.completions.create(**case["request"])

    with tg.track_llm(model="chain", api_key="batch") as outer:
        stream = agent()  # which is read after the function has returned
    list(stream)
    [row] = rows()
    assert tokens(row) == case["tokens"]
    assert (row["feature"], row["user_id"], row["api_key"]) == ("planner", "u-7", "batch")
    assert outer.priced is None


def test_text_is_kept_only_if_asked(
    llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """Neither prompt nor answer reaches the disk, unless `keep_text` says so."""
    case = CASES["openai_chat"]
    llm_server.play(case)
    run(clients, case)
    assert "prompt" not in rows()[0]
    assert "response" not in rows()[0]
    llm_server.play(CASES["anthropic_stream"])
    run(clients, CASES["anthropic_stream"], keep_text=True)
    kept = rows()[1]
    assert json.loads(kept["prompt"]) == CASES["anthropic_stream"]["request"]["messages"]
    events = CASES["anthropic_stream"]["events"]
    pieces = [
        each["delta"].get("text", "") for each in events if each["type"] == "content_block_delta"
    ]
    assert kept["response"] == "".join(pieces)


def test_what_is_estimated_says_so(
    llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """Where a stream was not asked for its usage, tokens are estimated on request, and marked."""
    case = CASES["openai_chat_stream_unasked"]
    llm_server.play(case)
    run(clients, case, estimate=len)
    [row] = rows()
    text = "".join(
        choice["delta"].get("content") or ""
        for event in case["events"]
        for choice in event["choices"]
    )
    assert (row["usage"], row["output_tokens"]) == ("estimated", len(text))
    assert row["input_tokens"] == len(
        json.dumps(case["request"]["messages"], separators=(",", ":"))
    )


def test_a_local_server_has_no_prices_of_others(
    llm_server: Any, clients: Any, rows: Callable[[], list[dict[str, Any]]]
) -> None:
    """A client of OpenAI that asks another host is not charged what OpenAI charges."""
    case = CASES["openai_chat"]
    llm_server.play(case)
    run(clients, case, provider=None)
    [row] = rows()
    assert (row["provider"], row["server_address"]) == ("127.0.0.1", "127.0.0.1")
    assert (row.get("cost"), row["unpriced_reason"]) == (None, "unknown_model")
