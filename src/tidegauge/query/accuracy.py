# SPDX-License-Identifier: Apache-2.0
"""How often the predictions of each model version turned out to be right."""

from __future__ import annotations

import msgspec

from tidegauge.model.tables import GROUND_TRUTHS, PREDICTIONS
from tidegauge.query.engine import Engine

__all__ = ["IS_CLASSES", "IS_RIGHT", "JUDGED", "Accuracy", "accuracies"]

#: Predictions with the `truth` that holds for each: the latest one.
JUDGED = f"""
    {PREDICTIONS.name} JOIN (
        SELECT prediction_id, max_by(struct_pack(n := truth, s := truth_text), time) AS truth
        FROM {GROUND_TRUTHS.name} GROUP BY prediction_id
    ) USING (prediction_id)
"""

#: Whether one of them was right. A probability stands for the class that it is nearer to.
IS_RIGHT = """CASE
    WHEN truth.s IS NOT NULL THEN prediction_text IS NOT DISTINCT FROM truth.s
    WHEN prediction IS NULL THEN false
    WHEN truth.n IN (0, 1) AND prediction BETWEEN 0 AND 1
        THEN (prediction >= 0.5) = (truth.n = 1)
    ELSE prediction = truth.n
END"""

#: Whether some of them are of classes. Where a truth is no whole number, or a predicted number is
#: neither whole nor a probability, the model is a regression: never "right".
IS_CLASSES = """bool_and(truth.n IS NULL OR truth.n = floor(truth.n)) AND bool_and(
    prediction IS NULL OR prediction BETWEEN 0 AND 1 OR prediction = floor(prediction)
)"""

_SQL = f"""
    SELECT model, model_version, service, environment, count(*), count_if({IS_RIGHT})
    FROM {JUDGED} GROUP BY ALL HAVING {IS_CLASSES} ORDER BY ALL
"""


class Accuracy(msgspec.Struct, frozen=True):
    """The score of one version of a model.

    Attributes:
        labels: Its dimensions; those that are not known are absent.
        n: Predictions whose truth is known.
        n_right: Those among them that were right.
    """

    labels: dict[str, str]
    n: int
    n_right: int


def accuracies(engine: Engine) -> list[Accuracy]:
    """The accuracy of every model version of which truths are known.

    A failed prediction counts as wrong. Of several truths for one prediction the latest holds.

    Raises:
        StoreError: The store cannot be read.
    """
    connection = engine.connect()
    try:
        engine.view(connection, (PREDICTIONS.name, GROUND_TRUTHS.name))
        rows = connection.execute(_SQL).fetchall()
    finally:
        connection.close()
    names = ("model", "model_version", "service", "environment")
    return [
        Accuracy(
            {name: text for name, text in zip(names, row, strict=False) if text is not None},
            *row[len(names) :],
        )
        for row in rows
    ]
