# SPDX-License-Identifier: Apache-2.0
"""The code of the requirements document for language models runs, with only its imports changed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]

GUIDE = '''
# api/inference/llm_metrics.py
from prometheus_client import Counter, Histogram, Gauge

# LLM metrics
llm_requests_total = Counter(
    'llm_requests_total',
    'Total LLM API requests',
    ['model_name', 'provider']
)

llm_tokens_total = Counter(
    'llm_tokens_total',
    'Total tokens used',
    ['model_name', 'token_type']  # token_type: input, output
)

llm_inference_latency = Histogram(
    'llm_inference_seconds',
    'LLM inference time',
    ['model_name'],
    buckets=[0.1, 0.5, 1.0, 2.0, 5.0, 10.0]
)

llm_cost_total = Counter(
    'llm_cost_usd',
    'Total LLM costs in USD',
    ['model_name', 'provider']
)

# Usage in LLM inference
def generate_with_metrics(model_name, provider, prompt, max_tokens):
    start_time = time.time()
    
    try:
        response = llm_client.generate(
            model=model_name,
            prompt=prompt,
            max_tokens=max_tokens
        )
        
        latency = time.time() - start_time
        input_tokens = len(prompt.split())
        output_tokens = len(response.text.split())
        
        # Track metrics
        llm_requests_total.labels(model_name=model_name, provider=provider).inc()
        llm_tokens_total.labels(model_name=model_name, token_type='input').inc(input_tokens)
        llm_tokens_total.labels(model_name=model_name, token_type='output').inc(output_tokens)
        llm_inference_latency.labels(model_name=model_name).observe(latency)
        
        # Calculate and track cost (example rates)
        cost = calculate_llm_cost(model_name, input_tokens, output_tokens)
        llm_cost_total.labels(model_name=model_name, provider=provider).inc(cost)
        
        return response
    except Exception as e:
        llm_requests_total.labels(model_name=model_name, provider=provider).inc()
        raise

def calculate_llm_cost(model_name, input_tokens, output_tokens):
    """Calculate cost based on model pricing"""
    # Example: GPT-4 pricing (update with actual rates)
    pricing = {
        'gpt-4': {'input': 0.03 / 1000, 'output': 0.06 / 1000},
        'gpt-3.5-turbo': {'input': 0.0015 / 1000, 'output': 0.002 / 1000}
    }
    
    if model_name in pricing:
        cost = (input_tokens * pricing[model_name]['input'] + 
                output_tokens * pricing[model_name]['output'])
        return cost
    return 0
'''  # noqa: W291, W293

BEFORE = """
import time
import tidegauge as tg

class Response:
    text = "high tide is at noon"

class Client:
    def generate(self, model, prompt, max_tokens):
        if max_tokens == 0:
            raise ValueError("nothing to say")
        return Response()

llm_client = Client()
"""
ASK = """
generate_with_metrics("gpt-4", "openai", "when is high tide", 100)
generate_with_metrics("gpt-4", "openai", "when is high tide", 100)
try:
    generate_with_metrics("gpt-4", "openai", "when", 0)
except ValueError as error:
    print(error)
"""
PAGE = """
from tidegauge.config import live_reading
from tidegauge.serve.page import MetricsPage
text = MetricsPage(live_reading).respond("", "").body.decode()
for line in text.splitlines():
    if line.startswith("llm_") and "seconds" not in line:
        print(line.replace(',provider="openai"', ""))
"""


def test_the_guide_runs(run_program: Run, tmp_path: Path) -> None:
    """Its metrics are the catalogue's, and the cost has both names."""
    guide = GUIDE.replace("from prometheus_client", "from tidegauge.prometheus")
    done = run_program(BEFORE + guide + ASK + PAGE, tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "nothing to say",
        'llm_cost_usd{model_name="gpt-4"} 0.0008399999999999999',
        'llm_cost_usd_total{model_name="gpt-4"} 0.0008399999999999999',
        'llm_requests_total{model_name="gpt-4"} 3.0',
        'llm_tokens_total{model_name="gpt-4",token_type="input"} 8.0',
        'llm_tokens_total{model_name="gpt-4",token_type="output"} 10.0',
    ]


def test_our_own_functions_of_the_same_names(run_program: Run, tmp_path: Path) -> None:
    """They count what the provider says and nothing else, and a failure as one."""
    ours = """
class Answered:
    text = "high tide is at noon"
    id = "r-1"
    choices = []
    class usage:
        prompt_tokens = 12
        completion_tokens = 6

from tidegauge import calculate_llm_cost
def generate_with_metrics(*given):
    return tg.generate_with_metrics(*given, client=llm_client)
Client.generate = lambda self, model, prompt, max_tokens: Answered() if max_tokens else 1 / 0
try:
    generate_with_metrics("gpt-4", "openai", "when", 0)
except ZeroDivisionError:
    print("failed")
generate_with_metrics("gpt-4", "openai", "when is high tide", 100)
tg.generate_with_metrics(
    "gpt-4", "openai", "when is high tide", 100, client=lambda **asked: Response(), estimate=True
)
print(calculate_llm_cost("gpt-4", 1000, 1000), calculate_llm_cost("unheard-of", 1, 1))
for row in tg.sql(
    "SELECT status, usage, input_tokens, output_tokens, cost FROM llm_calls"
).fetchall():
    print(row)
"""
    done = run_program(BEFORE + ours + PAGE, tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "failed",
        "0.09 None",
        "('error', 'missing', None, None, None)",
        "('success', 'provider', 12, 6, Decimal('0.00072000'))",
        "('success', 'estimated', 5, 5, Decimal('0.00045000'))",
        'llm_attempts_total{model_name="gpt-4"} 3.0',
        'llm_cost_usd{model_name="gpt-4"} 0.00117',
        'llm_cost_usd_total{model_name="gpt-4"} 0.00117',
        'llm_errors_total{error_class="other",model_name="gpt-4"} 1.0',
        'llm_requests_total{model_name="gpt-4"} 3.0',
        'llm_tokens_by_bucket_total{bucket="input_uncached",model_name="gpt-4"} 17.0',
        'llm_tokens_by_bucket_total{bucket="output_text",model_name="gpt-4"} 11.0',
        'llm_tokens_total{model_name="gpt-4",token_type="input"} 17.0',
        'llm_tokens_total{model_name="gpt-4",token_type="output"} 11.0',
        'llm_unpriced_requests_total{model_name="gpt-4",reason="usage_missing"} 1.0',
        'llm_usage_missing_total{model_name="gpt-4"} 1.0',
    ]


def test_no_client_library_is_loaded(run_program: Run, tmp_path: Path) -> None:
    """Whoever talks to a provider by other means pays for no client; nor does importing price."""
    program = """
import sys
import tidegauge as tg
assert "genai_prices" not in sys.modules
with tg.track_llm(provider="openai", model="o3") as call:
    call.response({"id": "1", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
print(call.priced.cost)
theirs = {"openai", "anthropic", "google.genai", "mistralai", "boto3", "botocore", "litellm"}
print(theirs & set(sys.modules))
"""
    done = run_program(program, tmp_path)
    assert done.stdout == "0.00001\nset()\n", done.stderr
