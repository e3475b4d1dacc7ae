# SPDX-License-Identifier: Apache-2.0
"""Clients whose calls are recorded: which of their methods ask a model, and who serves it.

The methods are replaced on the client itself, so it stays what it is. Those that call one another
count once, for only the innermost call does.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tidegauge.integrations.llm.answer import field_of, text_of
from tidegauge.integrations.llm.results import observed
from tidegauge.integrations.llm.scope import Attributes, current_scope, new_scope
from tidegauge.integrations.llm.tracked import Options, TrackedCall
from tidegauge.model.errors import ConfigError

__all__ = ["Method", "track_client", "tracked"]

#: By path of a method the operation it is. Of Gemini's those that make one request each.
_METHODS = {
    "chat.completions.create": "chat",
    "chat.completions.parse": "chat",
    "beta.chat.completions.create": "chat",
    "beta.chat.completions.parse": "chat",
    "completions.create": "text_completion",
    "responses.create": "chat",
    "responses.parse": "chat",
    "embeddings.create": "embeddings",
    "embeddings.create_async": "embeddings",
    "messages.create": "chat",
    "messages.parse": "chat",
    "messages.stream": "chat",
    "beta.messages.create": "chat",
    "beta.messages.parse": "chat",
    "beta.messages.stream": "chat",
    "models._generate_content": "generate_content",
    "models._generate_content_stream": "generate_content",
    "aio.models._generate_content": "generate_content",
    "aio.models._generate_content_stream": "generate_content",
    "converse": "chat",
    "converse_stream": "chat",
    "chat.complete": "chat",
    "chat.complete_async": "chat",
    "chat.stream": "chat",
    "chat.stream_async": "chat",
    "completion": "chat",
    "acompletion": "chat",
    "embedding": "embeddings",
    "aembedding": "embeddings",
}
_PROMPT_ARGUMENTS = ("messages", "input", "contents", "prompt", "inputs")

_HOSTS = {
    "api.anthropic.com": "anthropic",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together",
    "api.x.ai": "x_ai",
    "openrouter.ai": "openrouter",
}
_HOST_ENDINGS = {
    ".openai.azure.com": "azure.ai.openai",
    ".services.ai.azure.com": "azure.ai.inference",
    ".openai.com": "openai",
    ".amazonaws.com": "aws.bedrock",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
}

Method = Callable[..., Any]
_MOST_KNOWN = 1_000
_MARK = "__tidegauge_tracked__"


def track_client(client: Any, options: Options) -> Any:
    """Have the calls of a client recorded, and return it. What was said of it before is forgotten.

    Args:
        client: A client of OpenAI, Anthropic, Google, Mistral or another with such methods; one of
            boto3 for `bedrock-runtime`; or the module `litellm`.
        options: How calls are looked at.

    Raises:
        ConfigError: It has no method that asks a model.
    """
    host = _host_of(client)
    said = options.attributes
    if said.provider is None:
        said = said._replace(provider=_provider_of(client, host))
    options = options._replace(attributes=said, server_address=options.server_address or host)
    found = 0
    for path, operation in _METHODS.items():
        owner, name = _owner_of(client, path)
        method = None if owner is None else getattr(owner, name, None)
        if not callable(method):
            continue
        found += 1
        own = options._replace(attributes=said._replace(operation=said.operation or operation))
        original = getattr(method, _MARK, method)  # of a client that is tracked once more
        replacement = tracked(original, own)
        setattr(replacement, _MARK, original)
        setattr(owner, name, replacement)
    if not found:
        raise _no_client(client)
    _count_requests(client)
    return client


def tracked(method: Method, options: Options) -> Method:
    """A callable that does the same, and whose calls are recorded."""
    said, wants_text = options.attributes, options.wants_text
    of_model: dict[str, Attributes] = {}

    def begin(kwargs: dict[str, Any]) -> TrackedCall:
        attributes = said
        if said.model is None:
            model = kwargs.get("model") or kwargs.get("modelId")
            if isinstance(model, str):
                attributes = of_model.get(model) or _with_model(of_model, said, model)
        prompt = _prompt(kwargs) if wants_text else None
        call = TrackedCall(new_scope(attributes), options, prompt)
        call.begin()
        return call

    def made(call: TrackedCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            with call.inside():
                result = method(*args, **kwargs)
        except BaseException as error:
            call.end(error)
            raise
        return observed(call, result)

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return await made(begin(kwargs), args, kwargs)

        return coroutine

    @functools.wraps(method)
    def plain(*args: Any, **kwargs: Any) -> Any:
        return made(begin(kwargs), args, kwargs)

    return plain


def _with_model(known: dict[str, Attributes], attributes: Attributes, model: str) -> Attributes:
    if len(known) >= _MOST_KNOWN:
        known.clear()
    known[model] = attributes._replace(model=model)
    return known[model]


def _prompt(kwargs: dict[str, Any]) -> str | None:
    """What was asked, as text, if it can be written down."""
    given = next((kwargs[name] for name in _PROMPT_ARGUMENTS if name in kwargs), None)
    if given is None or isinstance(given, str):
        return given
    try:
        return msgspec.json.encode(given, enc_hook=repr).decode()
    except Exception:  # noqa: BLE001  (somebody's objects; the request is made all the same)
        return None


def _owner_of(client: Any, path: str) -> tuple[Any, str]:
    """The object that has a method, and its name there."""
    *owners, name = path.split(".")
    for each in owners:
        client = getattr(client, each, None)
        if client is None or (callable(client) and not hasattr(client, "__dict__")):
            return None, name
    return client, name


def _host_of(client: Any) -> str | None:
    for given in (
        field_of(client, "base_url"),
        field_of(field_of(client, "meta"), "endpoint_url"),
        field_of(field_of(client, "sdk_configuration"), "server_url"),
    ):
        host = urlsplit(str(given)).hostname if given else None
        if host:
            return host
    return None


def _provider_of(client: Any, host: str | None) -> str | None:
    """Who serves the models, from the host if that is well known, else from the client's package.

    A client of OpenAI that asks another host is of nobody that is known: its models have other
    prices, or none.
    """
    if host in _HOSTS:
        return _HOSTS[host]
    for ending, provider in _HOST_ENDINGS.items():
        if host is not None and host.endswith(ending):
            return provider
    kind = type(client)
    package = kind.__module__.partition(".")[0]
    if package == "mistralai":
        return "mistral_ai"
    if package == "google":
        return "gcp.vertex_ai" if field_of(client, "vertexai") else "gcp.gemini"
    if package == "botocore":
        return "aws.bedrock"
    if kind.__name__.endswith(("Bedrock", "Vertex")):
        return "aws.bedrock" if kind.__name__.endswith("Bedrock") else "gcp.vertex_ai"
    return host


def _count_requests(client: Any) -> None:
    """Count the requests of each call, where the client has an HTTP client that can be asked."""
    http = getattr(client, "_client", None)
    hooks = getattr(http, "event_hooks", None)
    if not isinstance(hooks, dict) or "request" not in hooks or getattr(http, _MARK, False):
        return
    setattr(http, _MARK, True)  # clients may share it
    is_async = hasattr(http, "aclose")

    def count(request: Any) -> None:
        del request
        if (scope := current_scope()) is not None:
            scope.requests += 1

    async def count_async(request: Any) -> None:
        count(request)

    hooks["request"].append(count_async if is_async else count)
    http.event_hooks = hooks  # type: ignore[union-attr]


def _no_client(client: Any) -> ConfigError:
    return ConfigError(
        "this is no client of a language model that is known",
        got=text_of(getattr(client, "__name__", None)) or type(client).__qualname__,
        allowed="a client of OpenAI, Anthropic, Google, Mistral or Bedrock, the module litellm, or "
        "a function",
        fix="Decorate the function that calls it, or write `with tidegauge.track_llm(…) as call`.",
    )
