# SPDX-License-Identifier: Apache-2.0
"""A FastAPI service with live metrics; however many workers it has, each answers with all totals.

    uvicorn --app-dir examples fastapi_service:app --workers 4

Then look at http://127.0.0.1:8000/metrics. Facts go to `.tidegauge` in the working directory;
`TIDEGAUGE_STORE`, and any other setting, can be set in the environment.
"""

from __future__ import annotations

import math
import uuid
from typing import Literal, NamedTuple

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, Field

from tidegauge.asgi import MetricsMiddleware, metrics_app
from tidegauge.integrations.predictions import predict_with_metrics, record_ground_truth


class Churn(NamedTuple):
    """Whether a customer will leave."""

    prediction: int
    confidence: float


class ChurnModel:
    """A logistic function of two numbers, in place of a trained model."""

    def __init__(self, per_month: float, per_complaint: float) -> None:
        self.per_month = per_month
        self.per_complaint = per_complaint

    def predict(self, features: list[float]) -> Churn:
        """Predict from the months that a customer has stayed, and the number of complaints."""
        months, complaints = features
        score = self.per_complaint * complaints - self.per_month * months
        probability = 1 / (1 + math.exp(-score))
        leaves = probability >= 0.5
        return Churn(int(leaves), probability if leaves else 1 - probability)


MODELS = {"1": ChurnModel(0.1, 0.9), "2": ChurnModel(0.08, 1.1)}


class Customer(BaseModel):
    """What to predict, and with which version of the model."""

    months: float = Field(ge=0, le=1_200)
    complaints: int = Field(ge=0, le=100)
    version: Literal["1", "2"] = "2"


class Forecast(BaseModel):
    """What was predicted."""

    leaves: bool
    confidence: float
    prediction_id: str


class Outcome(BaseModel):
    """What turned out to be true."""

    prediction_id: str
    has_left: bool


api = APIRouter(prefix="/api")


@api.post("/predict")
def predict(customer: Customer) -> Forecast:
    """Predict; the id is for the day when it is known whether the customer has left."""
    prediction_id = uuid.uuid4().hex
    churn = predict_with_metrics(
        MODELS[customer.version],
        [customer.months, customer.complaints],
        "churn",
        customer.version,
        prediction_ids=prediction_id,
    )
    return Forecast(
        leaves=bool(churn.prediction), confidence=churn.confidence, prediction_id=prediction_id
    )


@api.post("/outcomes", status_code=202)
def tell_outcome(outcome: Outcome) -> None:
    """Take what was true; the accuracy of each version is computed from it."""
    record_ground_truth(outcome.prediction_id, int(outcome.has_left))


app = FastAPI(title="Churn")
app.include_router(api)
# A route: mounted, `/metrics` would be redirected to `/metrics/`.
app.add_route("/metrics", metrics_app)
app.add_middleware(MetricsMiddleware, exclude=("/metrics",))
