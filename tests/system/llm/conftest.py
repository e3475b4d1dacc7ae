# SPDX-License-Identifier: Apache-2.0
"""The providers of language models as a local server, and the real SDKs as its clients.

The server plays the answers of `tests/golden/llm/` in the providers' own wire formats. It says what
it is told to say, and notes what it was asked.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import json
import os
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parents[2] / "golden"
ERRORS: dict[str, dict[str, Any]] = json.loads((GOLDEN / "llm_errors.json").read_text())

#: Which interface a path belongs to. OpenAI's and Mistral's chat are at the same place.
ROUTES = {
    r".*/chat/completions": {"openai.chat", "mistral.chat"},
    r".*/responses": {"openai.responses"},
    r".*/embeddings": {"openai.embeddings"},
    r"/v1/messages": {"anthropic.messages"},
    r"/v1(beta)?/models/[^/]+:(generateContent|streamGenerateContent)": {"gemini.generate_content"},
    r"/model/[^/]+/(converse|converse-stream)": {"bedrock.converse"},
    r"/model/[^/]+/(invoke|invoke-with-response-stream)": {"bedrock.invoke_model"},
}
STREAM_PATHS = (":streamGenerateContent", "/converse-stream", "/invoke-with-response-stream")
#: How OpenAI and Anthropic number a request.
NUMBERED = {"x-request-id": "req_tide", "request-id": "req_tide"}
#: A wait of a millisecond for those clients that listen to it.
SOON = {"retry-after-ms": "1", "retry-after": "0"}
#: Variables that would turn a client away from the server.
FOREIGN = ("ANTHROPIC_", "AWS_", "AZURE_", "GEMINI_", "GOOGLE_", "MISTRAL_", "OPENAI_", "OTEL_")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in.

    Attributes:
        path: With the query.
        headers: By name in small letters.
        body: The JSON that was sent.
    """

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """What is answered instead of a case.

    Attributes:
        kind: A name of `llm_errors.json`, a status, or `connection` for no answer at all.
        body: JSON to answer, where the file does not say it.
        headers: To answer beside those of the file.
    """

    kind: str | int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class LlmServer(ThreadingHTTPServer):
    """A provider on a free port of 127.0.0.1.

    Its controls may be used at any time; each holds for the requests that come after.

    Attributes:
        url: Where it is, without a slash at the end.
        requests: What came in, the refused ones too.
        before_event: Called in the server's thread before each event of a stream, with its number
            from 0. It may wait for the test.
        faults: What went wrong in the server itself.
    """

    daemon_threads = False  # so that closing waits for them

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests: list[Asked] = []
        self.before_event: Callable[[int], None] | None = None
        self.faults: list[BaseException | None] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._cases: list[dict[str, Any]] = []
        self._failures: list[Failure] = []
        self._end: tuple[int, str] | None = None

    def play(self, *cases: dict[str, Any]) -> None:
        """Answer with these cases, one for each request; the last one stays."""
        self._cases = list(cases)

    def fail(
        self,
        kind: str | int,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Refuse that many requests, then go on.

        Args:
            kind: A name of `llm_errors.json`, such as `rate_limit`; a status; or `connection`,
                which closes the connection without an answer.
            body: JSON to answer instead of the provider's own.
            headers: More headers. Without, the client is asked to try again in a millisecond.
            times: How many requests.
        """
        self._failures += [Failure(kind, body, SOON if headers is None else headers)] * times

    def cut_after(self, n_events: int, *, cleanly: bool = False) -> None:
        """End streams after so many events: by breaking the connection, or cleanly but early."""
        self._end = n_events, "end" if cleanly else "cut"

    def error_after(self, n_events: int) -> None:
        """Send the provider's event for an error after so many events of a stream."""
        self._end = n_events, "error"

    def close(self) -> None:
        """Stop, and close every connection."""
        self.shutdown()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def take(self, asked: Asked) -> Failure | dict[str, Any]:
        """What to answer to a request."""
        with self._lock:
            self.requests.append(asked)
            if self._failures:
                return self._failures.pop(0)
            assert self._cases, "nothing is played"
            return self._cases.pop(0) if len(self._cases) > 1 else self._cases[0]

    @property
    def playing(self) -> dict[str, Any]:
        """The case that comes next."""
        return self._cases[0]

    def ending(self, case: dict[str, Any]) -> tuple[int, str] | None:
        """After how many events a stream ends other than it should, and how."""
        return self._end or ((len(case["events"]), "cut") if case.get("cut") else None)

    def handle_error(self, *_: Any) -> None:
        """Note a fault of the server. A client may hang up."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.faults.append(error)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LlmServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name it has there)
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer as the played case says."""
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.path, headers, json.loads(content))
        given = self.server.take(asked)
        if isinstance(given, Failure):
            self._fail(given)
            return
        is_stream = any(end in self.path for end in STREAM_PATHS) or bool(asked.body.get("stream"))
        if given["api"] not in _apis(self.path) or given["stream"] != is_stream:
            text = f"{self.path}, streaming: {is_stream}, does not fit the case: {given['note']}"
            self._send(418, {"x-should-retry": "false"}, {"error": {"message": text}})
        elif is_stream:
            self._stream(given, asked)
        else:
            self._send(200, given.get("headers", {}), given["response"])

    def _fail(self, failure: Failure) -> None:
        if failure.kind == "connection":
            self.close_connection = True
            return
        status, headers, body = failure.kind, failure.headers, failure.body
        if isinstance(status, str):
            api = next(iter(_apis(self.path) & {self.server.playing["api"]}))
            known = ERRORS[api][status]
            status, headers = known["status"], known["headers"] | headers
            body = known["body"] if body is None else body
        self._send(status, headers, {"message": "refused"} if body is None else body)

    def _send(self, status: int, headers: dict[str, str], body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (NUMBERED | headers).items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, case: dict[str, Any], asked: Asked) -> None:
        is_binary = case["api"].startswith("bedrock.")
        self.send_response(200)
        for name, value in (NUMBERED | case.get("headers", {})).items():
            self.send_header(name, value)
        kind = "application/vnd.amazon.eventstream" if is_binary else "text/event-stream"
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        stop_at, end = self.server.ending(case) or (-1, "")
        for number, event in enumerate([*_events(case, asked), None]):
            if number == stop_at or event is None:
                break
            if self.server.before_event:
                self.server.before_event(number)
            self._chunk(_framed(case["api"], event))
        else:
            raise AssertionError("the list ends in None")
        if number == stop_at and end == "error":
            self._chunk(_framed_error(case["api"]))
        elif number != stop_at and case["api"] in ("openai.chat", "mistral.chat"):
            self._chunk(b"data: [DONE]\n\n")
        if number == stop_at and end == "cut":
            self.close_connection = True
        else:
            self._chunk(b"")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))


def _apis(path: str) -> set[str]:
    bare = path.partition("?")[0]
    return {api for route, apis in ROUTES.items() if re.fullmatch(route, bare) for api in apis}


def _events(case: dict[str, Any], asked: Asked) -> list[dict[str, Any]]:
    """The events for this request: OpenAI's chat tells the usage only to those who ask for it."""
    events: list[dict[str, Any]] = case["events"]
    options = asked.body.get("stream_options") or {}
    if case["api"] != "openai.chat" or options.get("include_usage"):
        return events
    told = [e for e in events if e["choices"] or e.get("usage") is None]
    return [{key: value for key, value in e.items() if key != "usage"} for e in told]


def _framed(api: str, event: dict[str, Any]) -> bytes:
    """One event as it is on the wire."""
    if api == "bedrock.converse":
        [(name, payload)] = event.items()
        return aws_message({":event-type": name, ":message-type": "event"}, payload)
    if api == "bedrock.invoke_model":
        part = {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}
        return aws_message({":event-type": "chunk", ":message-type": "event"}, part)
    name = event["type"] if api in ("anthropic.messages", "openai.responses") else None
    return _server_sent(name, event)


def _framed_error(api: str) -> bytes:
    error = ERRORS[api]["in_stream"]
    if api.startswith("bedrock."):
        headers = {":exception-type": error["event"], ":message-type": "exception"}
        return aws_message(headers, error["body"])
    return _server_sent(error.get("event"), error["body"])


def _server_sent(name: str | None, body: dict[str, Any]) -> bytes:
    line = f"event: {name}\n" if name else ""
    return f"{line}data: {json.dumps(body, separators=(',', ':'))}\n\n".encode()


def aws_message(headers: dict[str, str], payload: dict[str, Any]) -> bytes:
    """A message of AWS' event streams.

    Two lengths of 4 bytes (of all, of the headers) and their CRC-32, the headers, the payload, and
    the CRC-32 of everything before. A header is its name and its value, each after its length (1
    and 2 bytes), with the type between them: 7, a string.
    """
    content = json.dumps(payload).encode()
    packed = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value
        for name, value in (
            (name, value.encode())
            for name, value in {**headers, ":content-type": "application/json"}.items()
        )
    )
    prelude = struct.pack("!II", 16 + len(packed) + len(content), len(packed))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + packed + content
    return message + struct.pack("!I", binascii.crc32(message))


class Clients:
    """The SDKs' own clients, pointed at the server; each tries a call three times at most.

    A synchronous client is made when it is first asked for, and is closed with the fixture. An
    asynchronous one is made anew by each call, for `async with`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened = contextlib.ExitStack()

    def close(self) -> None:
        """Close those that were made."""
        self._opened.close()

    @functools.cached_property
    def openai(self) -> Any:
        """An `openai.OpenAI`."""
        import openai

        return self._opened.enter_context(openai.OpenAI(**self._openai))

    def async_openai(self) -> Any:
        """An `openai.AsyncOpenAI`."""
        import openai

        return openai.AsyncOpenAI(**self._openai)

    @functools.cached_property
    def azure(self) -> Any:
        """An `openai.AzureOpenAI`."""
        import openai

        place = {"azure_endpoint": self._url, "api_version": "2026-06-01"}
        return self._opened.enter_context(openai.AzureOpenAI(api_key="test", **place))

    @functools.cached_property
    def anthropic(self) -> Any:
        """An `anthropic.Anthropic`."""
        import anthropic

        return self._opened.enter_context(anthropic.Anthropic(**self._anthropic))

    def async_anthropic(self) -> Any:
        """An `anthropic.AsyncAnthropic`."""
        import anthropic

        return anthropic.AsyncAnthropic(**self._anthropic)

    @functools.cached_property
    def gemini(self) -> Any:
        """A `google.genai.Client`."""
        return self._opened.enter_context(self._gemini())

    @contextlib.asynccontextmanager
    async def async_gemini(self) -> Any:
        """The `aio` of a `google.genai.Client`."""
        with self._gemini() as client:
            async with client.aio as aio:
                yield aio

    @functools.cached_property
    def mistral(self) -> Any:
        """A `mistralai.client.Mistral`; it is for synchronous calls."""
        return self._opened.enter_context(self._mistral())

    def async_mistral(self) -> Any:
        """A `mistralai.client.Mistral` for `async with`."""
        return self._mistral()

    @functools.cached_property
    def bedrock(self) -> Any:
        """A client of boto3 for `bedrock-runtime`."""
        import boto3
        from botocore.config import Config

        client = boto3.session.Session().client(
            "bedrock-runtime",
            endpoint_url=self._url,
            region_name="eu-central-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 3, "mode": "standard"}),
        )
        self._opened.callback(client.close)
        return client

    @property
    def _openai(self) -> dict[str, Any]:
        return {"base_url": f"{self._url}/v1", "api_key": "test", "max_retries": 2}

    @property
    def _anthropic(self) -> dict[str, Any]:
        return {"base_url": self._url, "api_key": "test", "max_retries": 2}

    def _gemini(self) -> Any:
        from google import genai
        from google.genai import types

        again = types.HttpRetryOptions(attempts=3, initial_delay=0.001, max_delay=0.001, jitter=0.0)
        options = types.HttpOptions(base_url=self._url, retry_options=again)
        return genai.Client(api_key="test", http_options=options)

    def _mistral(self) -> Any:
        from mistralai.client import Mistral
        from mistralai.client.utils import BackoffStrategy, RetryConfig

        pause = BackoffStrategy(1, 1, 1.0, 100, jitter_ms=0)
        again = RetryConfig("backoff", pause, retry_connection_errors=True)
        return Mistral(api_key="test", server_url=self._url, retry_config=again)


@pytest.fixture
def llm_case() -> Callable[[str], dict[str, Any]]:
    """Reads a golden case by its name."""
    return lambda name: json.loads((GOLDEN / "llm" / f"{name}.json").read_text())


@pytest.fixture
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the environment reaches a client, and no client another machine."""
    for name in os.environ:
        if name.startswith(FOREIGN) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    outside: list[Any] = []
    connect, find = socket.socket.connect, socket.getaddrinfo

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] != "127.0.0.1":
            outside.append(address)
            raise ConnectionRefusedError(f"{address} is not on this machine")
        connect(self, address)

    def find_here(host: Any, *args: Any, **options: Any) -> Any:
        if host not in ("127.0.0.1", b"127.0.0.1", None):
            outside.append(host)
            raise socket.gaierror(f"{host} is not on this machine")
        return find(host, *args, **options)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setattr(socket, "getaddrinfo", find_here)
    yield
    assert outside == []


@pytest.fixture
def llm_server(only_this_machine: None) -> Iterator[LlmServer]:
    """A provider that plays golden cases."""
    server = LlmServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.close()
    thread.join()
    assert server.faults == []


@pytest.fixture
def clients(llm_server: LlmServer) -> Iterator[Clients]:
    """The real SDKs, which take the server for their provider."""
    made = Clients(llm_server.url)
    yield made
    made.close()
