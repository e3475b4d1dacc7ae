# SPDX-License-Identifier: Apache-2.0
"""The real SDKs read from the local server what the golden cases say, word for word.

So a test that plays a case to an SDK is a test with the provider's own answer.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = {
    path.stem: json.loads(path.read_text()) for path in sorted((GOLDEN / "llm").glob("*.json"))
}
ERRORS = json.loads((GOLDEN / "llm_errors.json").read_text())
#: There is no SDK of LiteLLM here.
HERE = [name for name, case in CASES.items() if case["api"] != "litellm.completion"]
WHOLE = [name for name in HERE if not CASES[name].get("cut")]
CUT = [name for name in HERE if CASES[name].get("cut")]
#: One case of each interface, whole and streaming.
PLAIN = {CASES[name]["api"]: name for name in WHOLE if not CASES[name]["stream"]}
STREAM = {CASES[name]["api"]: name for name in WHOLE if CASES[name]["stream"]}


#: What old versions of botocore leave out.
NEW_IN_BOTOCORE = {
    "bedrock_converse_cached": ("TokenUsage", "cacheDetails"),
    "bedrock_flex": ("ConverseResponse", "serviceTier"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_sdk_reads_what_the_case_says(name: str, llm_server: Any, clients: Any) -> None:
    """A synchronous client gives the response, or the events, of the golden case."""
    case = CASES[name]
    shape, member = NEW_IN_BOTOCORE.get(name, ("TokenUsage", "inputTokens"))
    if case["provider"] == "aws" and not _knows(clients.bedrock, shape, member):
        pytest.skip(f"this version of botocore leaves {member} out")
    llm_server.play(case)
    assert list(SYNC[case["api"]](clients, case)) == _said(case)
    assert len(llm_server.requests) == 1


@pytest.mark.parametrize("name", [n for n in WHOLE if CASES[n]["provider"] != "aws"])
def test_an_asynchronous_sdk_reads_what_the_case_says(
    name: str, llm_server: Any, clients: Any
) -> None:
    """An asynchronous client gives the response, or the events, of the golden case."""
    case = CASES[name]
    llm_server.play(case)
    assert asyncio.run(_all(ASYNC[case["api"]](clients, case))) == _said(case)
    assert len(llm_server.requests) == 1


@pytest.mark.parametrize("name", CUT)
def test_a_stream_that_breaks_raises_after_its_events(
    name: str, llm_server: Any, clients: Any
) -> None:
    """A client hands on every event that came, and then says that the connection broke."""
    case = CASES[name]
    llm_server.play(case)
    read: list[Any] = []
    with pytest.raises(Exception) as caught:  # noqa: PT012  (each SDK has its own)
        for event in SYNC[case["api"]](clients, case):
            read.append(event)  # noqa: PERF402  (what came before the error is the point)
    assert read == _said(case)
    assert type(caught.value).__name__ in (BREAKS[case["api"]], RAW)


@pytest.mark.parametrize("api", [*STREAM])
def test_a_stream_can_be_cut_anywhere(api: str, llm_server: Any, clients: Any) -> None:
    """`cut_after` breaks any case after so many events; cleanly, it is only short."""
    case = CASES[STREAM[api]]
    llm_server.play(case)
    llm_server.cut_after(2)
    with pytest.raises(Exception) as caught:
        list(SYNC[api](clients, case))
    assert type(caught.value).__name__ in (BREAKS[api], RAW)
    llm_server.cut_after(2, cleanly=True)
    assert list(SYNC[api](clients, case)) == _said({**case, "events": case["events"][:2]})


@pytest.mark.parametrize("api", [api for api in STREAM if "in_stream" in ERRORS[api]])
def test_an_error_can_come_in_a_stream(api: str, llm_server: Any, clients: Any) -> None:
    """`error_after` sends the provider's event for an error, which its SDK raises or hands on."""
    case = CASES[STREAM[api]]
    llm_server.play(case)
    llm_server.error_after(2)
    expected = ERRORS[api]["in_stream"]
    if expected["raises"] is None:
        assert list(SYNC[api](clients, case))[-1] == expected["body"]
        return
    with pytest.raises(Exception) as caught:
        list(SYNC[api](clients, case))
    assert type(caught.value).__name__ == expected["raises"]


@pytest.mark.parametrize(
    ("api", "kind"), [(api, kind) for api in PLAIN for kind in ERRORS[api] if kind != "in_stream"]
)
def test_a_refusal_is_the_sdk_s_own_error(
    api: str, kind: str, llm_server: Any, clients: Any
) -> None:
    """Each kind of error is raised as the class, and with the status, that the SDK has for it."""
    case = CASES[PLAIN[api]]
    llm_server.play(case)
    llm_server.fail(kind, times=1000)
    with pytest.raises(Exception) as caught:
        list(SYNC[api](clients, case))
    assert type(caught.value).__name__ == ERRORS[api][kind]["raises"]
    assert _status(caught.value) == ERRORS[api][kind]["status"]


@pytest.mark.parametrize("api", [*PLAIN])
@pytest.mark.parametrize("kind", ["rate_limit", "server"])
def test_an_sdk_tries_again_by_itself(api: str, kind: str, llm_server: Any, clients: Any) -> None:
    """Two refusals cost two more requests and are not seen in the response."""
    case = CASES[PLAIN[api]]
    llm_server.play(case)
    llm_server.fail(kind, times=2)
    assert list(SYNC[api](clients, case)) == _said(case)
    assert len(llm_server.requests) == 3


@pytest.mark.parametrize("api", [*PLAIN])
def test_a_server_can_hang_up_without_an_answer(api: str, llm_server: Any, clients: Any) -> None:
    """Most SDKs try again; the synchronous ones of Gemini and Mistral raise."""
    case = CASES[PLAIN[api]]
    llm_server.play(case)
    llm_server.fail("connection")
    if api in ("gemini.generate_content", "mistral.chat"):
        with pytest.raises(Exception, match="without sending a response") as caught:
            list(SYNC[api](clients, case))
        assert type(caught.value).__name__ == "RemoteProtocolError"
    else:
        assert list(SYNC[api](clients, case)) == _said(case)
        assert len(llm_server.requests) == 2


def test_retries_can_be_counted(llm_server: Any, clients: Any) -> None:
    """OpenAI's and Anthropic's SDKs number their attempts in a header, boto3 in the response."""
    for api in ("openai.chat", "anthropic.messages"):
        case = CASES[PLAIN[api]]
        llm_server.requests.clear()
        llm_server.play(case)
        llm_server.fail("rate_limit", times=2)
        list(SYNC[api](clients, case))
        counts = [asked.headers["x-stainless-retry-count"] for asked in llm_server.requests]
        assert counts == ["0", "1", "2"]
    case = CASES["bedrock_converse"]
    llm_server.play(case)
    llm_server.fail("rate_limit")
    response = clients.bedrock.converse(**case["request"])
    assert response["ResponseMetadata"]["RetryAttempts"] == 1
    assert response["ResponseMetadata"]["RequestId"] == case["response_id"]


def test_usage_is_told_only_to_those_who_ask(llm_server: Any, clients: Any) -> None:
    """Without `include_usage` the server leaves the usage out, as OpenAI does."""
    case = CASES["openai_chat_stream"]
    llm_server.play(case)
    request = {key: value for key, value in case["request"].items() if key != "stream_options"}
    chunks = list(clients.openai.chat.completions.create(**request))
    assert len(chunks) == len(case["events"]) - 1
    assert all(chunk.usage is None for chunk in chunks)


def test_a_case_is_played_to_its_own_interface_only(llm_server: Any, clients: Any) -> None:
    """A request that does not fit the case is refused with a text that says so."""
    llm_server.play(CASES["anthropic"])
    with pytest.raises(Exception, match="does not fit the case") as caught:
        clients.openai.chat.completions.create(**CASES["openai_chat"]["request"])
    assert _status(caught.value) == 418


def test_cases_are_played_in_turn(llm_server: Any, clients: Any) -> None:
    """Several cases answer one request each, and the last one every further request."""
    llm_server.play(CASES["openai_chat"], CASES["openai_chat_tools"])
    request = CASES["openai_chat"]["request"]
    answers = [clients.openai.chat.completions.create(**request) for _ in range(3)]
    assert [answer.choices[0].finish_reason for answer in answers] == [
        "stop",
        "tool_calls",
        "tool_calls",
    ]


def test_a_test_can_hold_a_stream_back(llm_server: Any, clients: Any) -> None:
    """An event is sent when the test lets it go, so that times can be told apart."""
    case = CASES["openai_chat_stream"]
    llm_server.play(case)
    may_go = threading.Event()
    reached: list[int] = []

    def wait(number: int) -> None:
        reached.append(number)
        if number == 2:
            assert may_go.wait(30)

    llm_server.before_event = wait
    stream = clients.openai.chat.completions.create(**case["request"])
    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "On "]
    assert not may_go.is_set()
    may_go.set()
    assert len(list(stream)) == len(case["events"]) - 2
    assert reached == list(range(len(case["events"])))


def test_a_request_is_noted(llm_server: Any, clients: Any) -> None:
    """The path, the headers and the body of each request can be looked at."""
    case = CASES["gemini_stream"]
    llm_server.play(case)
    list(SYNC["gemini.generate_content"](clients, case))
    [asked] = llm_server.requests
    assert asked.path == "/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert asked.headers["x-goog-api-key"] == "test"
    [content] = asked.body["contents"]
    assert content["parts"] == [{"text": "When is the next spring tide?"}]


def test_azure_is_spoken_too(llm_server: Any, clients: Any) -> None:
    """The client for Azure reads what the plain one reads, from Azure's own path."""
    case = CASES["azure_chat_stream"]
    llm_server.play(case)
    chunks = clients.azure.chat.completions.create(**case["request"])
    assert [_dumped(chunk) for chunk in chunks] == case["events"]
    path = "/openai/deployments/gpt-4.1/chat/completions?api-version=2026-06-01"
    assert llm_server.requests[0].path == path


def _said(case: dict[str, Any]) -> list[Any]:
    """What the case says, in the order in which an SDK hands it on."""
    said = case["events"] if case["stream"] else [case["response"]]
    return [event for event in said if event.get("type") != "ping"]  # Anthropic's SDK skips it


def _knows(bedrock: Any, shape: str, member: str) -> bool:
    return member in bedrock.meta.service_model.shape_for(shape).members


def _status(error: Exception) -> int:
    if hasattr(error, "response") and isinstance(error.response, dict):
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return int(error.status_code if hasattr(error, "status_code") else error.code)


def _dumped(model: Any) -> Any:
    """What a model of OpenAI's, Anthropic's or Mistral's SDK was made of."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _openai(create: Callable[..., Any], case: dict[str, Any]) -> Iterator[Any]:
    answer = create(**case["request"])
    yield from map(_dumped, answer if case["stream"] else [answer])


async def _openai_async(create: Callable[..., Any], case: dict[str, Any]) -> AsyncIterator[Any]:
    answer = await create(**case["request"])
    if not case["stream"]:
        yield _dumped(answer)
        return
    async for event in answer:
        yield _dumped(event)


async def _async_openai(
    clients: Any, case: dict[str, Any], create: Callable[[Any], Callable[..., Any]]
) -> AsyncIterator[Any]:
    async with clients.async_openai() as client:
        async for event in _openai_async(create(client), case):
            yield event


async def _async_anthropic(clients: Any, case: dict[str, Any]) -> AsyncIterator[Any]:
    async with clients.async_anthropic() as client:
        async for event in _openai_async(client.messages.create, case):
            yield event


def _from_gemini(answer: Any) -> Any:
    """Without what the SDK itself adds."""
    dumped = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
    own = ("sdkHttpResponse", "automaticFunctionCallingHistory")
    return {key: value for key, value in dumped.items() if key not in own}


def _gemini(clients: Any, case: dict[str, Any]) -> Iterator[Any]:
    models = clients.gemini.models
    if case["stream"]:
        yield from map(_from_gemini, models.generate_content_stream(**case["request"]))
    else:
        yield _from_gemini(models.generate_content(**case["request"]))


async def _async_gemini(clients: Any, case: dict[str, Any]) -> AsyncIterator[Any]:
    async with clients.async_gemini() as aio:
        if not case["stream"]:
            yield _from_gemini(await aio.models.generate_content(**case["request"]))
            return
        async for chunk in await aio.models.generate_content_stream(**case["request"]):
            yield _from_gemini(chunk)


def _mistral(clients: Any, case: dict[str, Any]) -> Iterator[Any]:
    if not case["stream"]:
        yield _dumped(clients.mistral.chat.complete(**case["request"]))
        return
    with clients.mistral.chat.stream(**case["request"]) as events:
        yield from (_dumped(event.data) for event in events)


async def _async_mistral(clients: Any, case: dict[str, Any]) -> AsyncIterator[Any]:
    async with clients.async_mistral() as client:
        if not case["stream"]:
            yield _dumped(await client.chat.complete_async(**case["request"]))
            return
        async with await client.chat.stream_async(**case["request"]) as events:
            async for event in events:
                yield _dumped(event.data)


def _converse(clients: Any, case: dict[str, Any]) -> Iterator[Any]:
    if case["stream"]:
        yield from clients.bedrock.converse_stream(**case["request"])["stream"]
        return
    answer = clients.bedrock.converse(**case["request"])
    yield {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def _invoke(clients: Any, case: dict[str, Any]) -> Iterator[Any]:
    if case["stream"]:
        answer = clients.bedrock.invoke_model_with_response_stream(**case["request"])
        yield from (json.loads(event["chunk"]["bytes"]) for event in answer["body"])
        return
    with clients.bedrock.invoke_model(**case["request"])["body"] as body:
        yield json.loads(body.read())


async def _all(events: AsyncIterator[Any]) -> list[Any]:
    return [event async for event in events]


SYNC: dict[str, Callable[[Any, dict[str, Any]], Iterator[Any]]] = {
    "openai.chat": lambda all_, case: _openai(all_.openai.chat.completions.create, case),
    "openai.responses": lambda all_, case: _openai(all_.openai.responses.create, case),
    "openai.embeddings": lambda all_, case: _openai(all_.openai.embeddings.create, case),
    "anthropic.messages": lambda all_, case: _openai(all_.anthropic.messages.create, case),
    "gemini.generate_content": _gemini,
    "mistral.chat": _mistral,
    "bedrock.converse": _converse,
    "bedrock.invoke_model": _invoke,
}
ASYNC: dict[str, Callable[[Any, dict[str, Any]], AsyncIterator[Any]]] = {
    "openai.chat": lambda all_, case: _async_openai(
        all_, case, lambda client: client.chat.completions.create
    ),
    "openai.responses": lambda all_, case: _async_openai(
        all_, case, lambda client: client.responses.create
    ),
    "openai.embeddings": lambda all_, case: _async_openai(
        all_, case, lambda client: client.embeddings.create
    ),
    "anthropic.messages": _async_anthropic,
    "gemini.generate_content": _async_gemini,
    "mistral.chat": _async_mistral,
}
#: What a broken connection is called by who has no name of their own, as OpenAI's early 3.x.
RAW = "RemoteProtocolError"
#: What it is called. Only OpenAI's and boto3's SDKs have a name of their own.
BREAKS = {
    "openai.chat": "APIConnectionError",
    "openai.responses": "APIConnectionError",
    "anthropic.messages": RAW,
    "gemini.generate_content": RAW,
    "mistral.chat": RAW,
    "bedrock.converse": "ProtocolError",
    "bedrock.invoke_model": "ProtocolError",
}
