# SPDX-License-Identifier: Apache-2.0
"""The code of the requirements documents for monitoring runs as printed, but for its imports."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tidegauge.config import assemble
from tidegauge.serve.page import MetricsPage

Run = Callable[..., subprocess.CompletedProcess[str]]

REQUESTS = """
# api/metrics.py
from prometheus_client import Counter, Histogram, Gauge
import time

# Request counters
request_count = Counter(
    'ml_api_requests_total',
    'Total number of API requests',
    ['method', 'endpoint', 'status']
)

# Latency histogram
request_latency = Histogram(
    'ml_api_request_duration_seconds',
    'Request latency in seconds',
    ['endpoint'],
    buckets=[0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0]
)

# Active requests
active_requests = Gauge(
    'ml_api_active_requests',
    'Number of active requests'
)

# Usage in FastAPI
from fastapi import Request
from starlette.middleware.base import BaseHTTPMiddleware

class MetricsMiddleware(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next):
        active_requests.inc()
        start_time = time.time()
        
        try:
            response = await call_next(request)
            status = response.status_code
            request_count.labels(
                method=request.method,
                endpoint=request.url.path,
                status=status
            ).inc()
            return response
        finally:
            latency = time.time() - start_time
            request_latency.labels(endpoint=request.url.path).observe(latency)
            active_requests.dec()
"""  # noqa: W293

PREDICTIONS = """
# api/inference/metrics.py
from prometheus_client import Counter, Histogram, Gauge

# Prediction counters
predictions_total = Counter(
    'ml_model_predictions_total',
    'Total number of predictions',
    ['model_name', 'model_version']
)

# Inference latency
inference_latency = Histogram(
    'ml_model_inference_seconds',
    'Model inference time in seconds',
    ['model_name'],
    buckets=[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0]
)

# Model accuracy (if ground truth available)
model_accuracy = Gauge(
    'ml_model_accuracy',
    'Model accuracy score',
    ['model_name', 'model_version']
)

# Usage in inference code
import time

def predict_with_metrics(model, input_data, model_name, model_version):
    start_time = time.time()
    
    try:
        prediction = model.predict(input_data)
        latency = time.time() - start_time
        
        predictions_total.labels(
            model_name=model_name,
            model_version=model_version
        ).inc()
        
        inference_latency.labels(model_name=model_name).observe(latency)
        
        return prediction
    except Exception as e:
        # Track errors
        predictions_total.labels(
            model_name=model_name,
            model_version=model_version
        ).inc()
        raise
"""  # noqa: W293

RESOURCES = '''
# monitoring/resource_metrics.py
import psutil
from prometheus_client import Gauge

# Resource metrics
cpu_usage = Gauge(
    'system_cpu_usage_percent',
    'CPU usage percentage'
)

memory_usage = Gauge(
    'system_memory_usage_bytes',
    'Memory usage in bytes'
)

memory_available = Gauge(
    'system_memory_available_bytes',
    'Available memory in bytes'
)

def update_resource_metrics():
    """Update system resource metrics"""
    cpu_usage.set(psutil.cpu_percent(interval=1))
    memory = psutil.virtual_memory()
    memory_usage.set(memory.used)
    memory_available.set(memory.available)

# Update every 10 seconds
import threading
import time

def run_resource_tracker():
    while True:
        update_resource_metrics()
        time.sleep(10)

resource_tracker_thread = threading.Thread(target=run_resource_tracker, daemon=True)
resource_tracker_thread.start()
'''

APP = """
# api/app.py
from prometheus_client import make_asgi_app
from fastapi import FastAPI

app = FastAPI()

# Add Prometheus metrics endpoint
metrics_app = make_asgi_app()
app.mount("/metrics", metrics_app)
"""

COMPREHENSIVE = '''
import prometheus_client as prom
from prometheus_client import Counter, Histogram, Gauge, Summary
import time
from functools import wraps
from typing import Dict, Any
import numpy as np

class MLMetrics:
    """Comprehensive ML metrics collection."""
    
    def __init__(self, service_name: str):
        self.service_name = service_name
        
        # System metrics
        self.request_latency = Histogram(
            f'{service_name}_request_latency_seconds',
            'Request latency in seconds',
            ['endpoint', 'model_version'],
            buckets=[.005, .01, .025, .05, .075, .1, .25, .5, .75, 1.0, 2.5, 5.0]
        )
        
        self.request_count = Counter(
            f'{service_name}_requests_total',
            'Total requests',
            ['endpoint', 'model_version', 'status']
        )
        
        # Model metrics
        self.prediction_value = Histogram(
            f'{service_name}_prediction_value',
            'Distribution of prediction values',
            ['model_version'],
            buckets=[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
        )
        
        self.prediction_confidence = Histogram(
            f'{service_name}_prediction_confidence',
            'Distribution of confidence scores',
            ['model_version'],
            buckets=[0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0]
        )
        
        self.feature_count = Histogram(
            f'{service_name}_feature_count',
            'Number of features in request',
            ['model_version'],
            buckets=[5, 10, 25, 50, 100, 250, 500]
        )
        
        # Batch metrics
        self.batch_size = Histogram(
            f'{service_name}_batch_size',
            'Batch size for predictions',
            ['model_version'],
            buckets=[1, 2, 4, 8, 16, 32, 64, 128, 256]
        )
        
        # Business proxy metrics
        self.high_confidence_predictions = Counter(
            f'{service_name}_high_confidence_total',
            'Predictions with high confidence (>0.9)',
            ['model_version']
        )
        
        self.low_confidence_predictions = Counter(
            f'{service_name}_low_confidence_total',
            'Predictions with low confidence (<0.5)',
            ['model_version']
        )
    
    def record_prediction(self, model_version: str, prediction: float,
                         confidence: float, latency: float,
                         feature_count: int, status: str = 'success'):
        """Record all metrics for a single prediction."""
        
        # System metrics
        self.request_latency.labels(
            endpoint='/predict',
            model_version=model_version
        ).observe(latency)
        
        self.request_count.labels(
            endpoint='/predict',
            model_version=model_version,
            status=status
        ).inc()
        
        # Model metrics
        self.prediction_value.labels(model_version=model_version).observe(prediction)
        self.prediction_confidence.labels(model_version=model_version).observe(confidence)
        self.feature_count.labels(model_version=model_version).observe(feature_count)
        
        # Business proxy metrics
        if confidence > 0.9:
            self.high_confidence_predictions.labels(model_version=model_version).inc()
        elif confidence < 0.5:
            self.low_confidence_predictions.labels(model_version=model_version).inc()

# Decorator for automatic metrics
def track_prediction(metrics: MLMetrics, model_version: str):
    def decorator(func):
        @wraps(func)
        def wrapper(features: Dict[str, Any], *args, **kwargs):
            start_time = time.time()
            status = 'success'
            
            try:
                result = func(features, *args, **kwargs)
                
                metrics.record_prediction(
                    model_version=model_version,
                    prediction=result['prediction'],
                    confidence=result['confidence'],
                    latency=time.time() - start_time,
                    feature_count=len(features),
                    status=status
                )
                
                return result
            except Exception as e:
                status = 'error'
                metrics.request_count.labels(
                    endpoint='/predict',
                    model_version=model_version,
                    status=status
                ).inc()
                raise
        return wrapper
    return decorator
'''  # noqa: W293


IMPORTS = {
    "from prometheus_client import": "from tidegauge.prometheus import",
    "import prometheus_client as prom": "import tidegauge.prometheus as prom",
}


@pytest.fixture
def run_document(run_program: Run, store_dir: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs code of a document, and more after it, in a process that records into the store.

    Gives back what it printed.
    """

    def run(block: str, then: str) -> str:
        for theirs, ours in IMPORTS.items():
            block = block.replace(theirs, ours)
        assert "prometheus_client" not in block
        done = run_program(block + then, tmp_path, TIDEGAUGE_STORE=str(store_dir))
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.fixture
def page(store_dir: Path) -> Callable[[], str]:
    """The page of the store, as a process has it that ran none of the programs."""
    found = MetricsPage(assemble(store=str(store_dir)).live.read)

    def read() -> str:
        return found.respond("", "").body.decode()

    return read


@pytest.fixture
def lines() -> Callable[[str, str], list[str]]:
    """The lines of one family of a page, without the numbers that depend on the clock."""

    def of(text: str, family: str) -> list[str]:
        found = re.findall(rf"^(?:# \w+ )?{family}(?:_\w+)?(?:[{{ ].*)?$", text, re.MULTILINE)
        return [re.sub(r"(_sum(?:{.*})?) .*", r"\1 …", line) for line in found]

    return of


def test_requests_of_a_service(
    run_document: Callable[..., str], page: Callable[[], str], lines: Callable[..., list[str]]
) -> None:
    """Section 1 with the page of `make_asgi_app`: the catalogue's metrics under the same names."""
    then = """
import asyncio, httpx
app.add_middleware(MetricsMiddleware)

@app.get("/api/predict")
def predict():
    return {}

async def ask():
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for path in ("/api/predict", "/api/predict", "/none"):
            await client.get(path)
        print((await client.get("/metrics/")).text)

asyncio.run(ask())
"""
    seen = run_document(REQUESTS + APP, then)
    # The request for the page itself is in progress.
    assert lines(seen, "ml_api_active_requests") == [
        "# HELP ml_api_active_requests Number of active requests",
        "# TYPE ml_api_active_requests gauge",
        "ml_api_active_requests 1.0",
    ]
    assert lines(page(), "ml_api_requests_total") == [
        "# HELP ml_api_requests_total Total number of API requests",
        "# TYPE ml_api_requests_total counter",
        'ml_api_requests_total{endpoint="/api/predict",method="GET",status="200"} 2.0',
        'ml_api_requests_total{endpoint="/none",method="GET",status="404"} 1.0',
        'ml_api_requests_total{endpoint="/metrics/",method="GET",status="200"} 1.0',
    ]
    duration = [
        line
        for line in lines(page(), "ml_api_request_duration_seconds")
        if line.startswith("#") or 'endpoint="/api/predict"' in line
    ]
    assert [line.rpartition(" ")[0] for line in duration[2:-2]] == [
        f'ml_api_request_duration_seconds_bucket{{endpoint="/api/predict",le="{bound}"}}'
        for bound in ("0.01", "0.05", "0.1", "0.5", "1.0", "2.0", "5.0", "+Inf")
    ]
    assert duration[:2] + duration[-2:] == [
        "# HELP ml_api_request_duration_seconds Request latency in seconds",
        "# TYPE ml_api_request_duration_seconds histogram",
        'ml_api_request_duration_seconds_sum{endpoint="/api/predict"} …',
        'ml_api_request_duration_seconds_count{endpoint="/api/predict"} 2',
    ]


def test_predictions_of_a_model(
    run_document: Callable[..., str], page: Callable[[], str], lines: Callable[..., list[str]]
) -> None:
    """Section 2: predictions that succeed and fail are counted, by two processes together."""
    then = """
class Model:
    def predict(self, data):
        return data["x"]

predict_with_metrics(Model(), {"x": 1}, "fraud", "2.0.1")
try:
    predict_with_metrics(Model(), {}, "fraud", "2.0.1")
except KeyError:
    print("failed")
model_accuracy.labels(model_name="fraud", model_version="2.0.1").set(0.91)
"""
    for _ in range(2):
        assert run_document(PREDICTIONS, then) == "failed\n"
    text = page()
    assert lines(text, "ml_model_predictions_total") == [
        "# HELP ml_model_predictions_total Total number of predictions",
        "# TYPE ml_model_predictions_total counter",
        'ml_model_predictions_total{model_name="fraud",model_version="2.0.1"} 4.0',
    ]
    assert lines(text, "ml_model_accuracy") == [
        "# HELP ml_model_accuracy Model accuracy score",
        "# TYPE ml_model_accuracy gauge",
        'ml_model_accuracy{model_name="fraud",model_version="2.0.1"} 0.91',
    ]
    assert lines(text, "ml_model_inference_seconds") == [
        "# HELP ml_model_inference_seconds Model inference time in seconds",
        "# TYPE ml_model_inference_seconds histogram",
        *(
            f'ml_model_inference_seconds_bucket{{model_name="fraud",le="{bound}"}} 2'
            for bound in ("0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1.0", "+Inf")
        ),
        'ml_model_inference_seconds_sum{model_name="fraud"} …',
        'ml_model_inference_seconds_count{model_name="fraud"} 2',
    ]


def test_resources_of_this_host(
    run_document: Callable[..., str], page: Callable[[], str], lines: Callable[..., list[str]]
) -> None:
    """Section 5: CPU in percent, memory in bytes, as the machine has them."""
    run_document(RESOURCES, "\nupdate_resource_metrics()\n")
    text = page()
    memory = psutil.virtual_memory()
    for name, least, most in (
        ("system_cpu_usage_percent", 0, 100),
        ("system_memory_usage_bytes", 1, memory.total),
        ("system_memory_available_bytes", 1, memory.total),
    ):
        described, kind, sample = lines(text, name)
        assert described.startswith(f"# HELP {name} ")
        assert kind == f"# TYPE {name} gauge"
        assert least <= float(sample.removeprefix(name)) <= most


def test_comprehensive_collection(
    run_document: Callable[..., str], page: Callable[[], str], lines: Callable[..., list[str]]
) -> None:
    """`MLMetrics` declares names of its own: exactly they are shown, summed over two processes."""
    then = """
metrics = MLMetrics("checkout")

@track_prediction(metrics, "v1")
def predict(features):
    return {"prediction": features["x"], "confidence": features["confidence"]}

predict({"x": 0.15, "confidence": 0.95})
predict({"x": 0.25, "confidence": 0.45})
try:
    predict({})
except KeyError:
    print("failed")
metrics.batch_size.labels(model_version="v1").observe(32)
"""
    for _ in range(2):
        assert run_document(COMPREHENSIVE, then) == "failed\n"
    text = page()
    assert lines(text, "checkout_requests_total") == [
        "# HELP checkout_requests_total Total requests",
        "# TYPE checkout_requests_total counter",
        'checkout_requests_total{endpoint="/predict",model_version="v1",status="success"} 4.0',
        'checkout_requests_total{endpoint="/predict",model_version="v1",status="error"} 2.0',
    ]
    assert lines(text, "checkout_high_confidence_total") == [
        "# HELP checkout_high_confidence_total Predictions with high confidence (>0.9)",
        "# TYPE checkout_high_confidence_total counter",
        'checkout_high_confidence_total{model_version="v1"} 2.0',
    ]
    assert lines(text, "checkout_low_confidence_total")[2:] == [
        'checkout_low_confidence_total{model_version="v1"} 2.0',
    ]
    counts = {
        "prediction_value": "0.0:0 0.1:0 0.2:2 0.3:4 0.4:4 0.5:4 0.6:4 0.7:4 0.8:4 0.9:4 1.0:4",
        "prediction_confidence": "0.5:2 0.6:2 0.7:2 0.8:2 0.85:2 0.9:2 0.95:4 0.99:4 1.0:4",
        "feature_count": "5.0:4 10.0:4 25.0:4 50.0:4 100.0:4 250.0:4 500.0:4",
        "batch_size": "1.0:0 2.0:0 4.0:0 8.0:0 16.0:0 32.0:2 64.0:2 128.0:2 256.0:2",
    }
    for name, buckets in counts.items():
        total = buckets[-1]
        assert lines(text, f"checkout_{name}")[1:] == [
            f"# TYPE checkout_{name} histogram",
            *(
                f'checkout_{name}_bucket{{model_version="v1",le="{bound}"}} {count}'
                for bound, count in (
                    each.split(":") for each in [*buckets.split(), f"+Inf:{total}"]
                )
            ),
            f'checkout_{name}_sum{{model_version="v1"}} …',
            f'checkout_{name}_count{{model_version="v1"}} {total}',
        ]
    latency = lines(text, "checkout_request_latency_seconds")
    assert latency[:2] == [
        "# HELP checkout_request_latency_seconds Request latency in seconds",
        "# TYPE checkout_request_latency_seconds histogram",
    ]
    bounds = "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1.0 2.5 5.0 +Inf"
    labels = 'endpoint="/predict",model_version="v1"'
    assert [line.rpartition(" ")[0] for line in latency[2:-2]] == [
        f'checkout_request_latency_seconds_bucket{{{labels},le="{bound}"}}'
        for bound in bounds.split()
    ]
    assert latency[-1] == f"checkout_request_latency_seconds_count{{{labels}}} 4"
