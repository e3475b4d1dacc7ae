# SPDX-License-Identifier: Apache-2.0
"""What legacy names become."""

from __future__ import annotations

import pytest

from tidegauge.catalog import Catalog, MetricValidationError, builtin_catalog, migrate_metric_name
from tidegauge.model.spec import MetricSpec, NamesAbroad


@pytest.mark.parametrize(
    ("legacy", "name"),
    [
        # Bare names and aliases.
        ("accuracy", "model:accuracy"),
        ("f1", "model:f1_score"),
        ("auc", "model:auc_roc"),
        ("auroc", "model:auc_roc"),
        ("processing_time", "pipeline:processing_time"),
        ("duration", "pipeline:duration_seconds"),
        ("latency", "model:latency_ms"),
        ("val_loss", "model:val_loss"),
        ("loss", "model:train_loss"),
        ("reply_rate", "usage:reply_rate"),
        # The ways people write them.
        ("Reply Rate", "usage:reply_rate"),
        ("replyRate", "usage:reply_rate"),
        ("ReplyRate", "usage:reply_rate"),
        ("reply-rate", "usage:reply_rate"),
        ("REPLY_RATE", "usage:reply_rate"),
        ("F1Score", "model:f1_score"),
        ("AUC-ROC", "model:auc_roc"),
        ("LogLoss", "model:log_loss"),
        ("R²", "model:r2"),
        ("RMSE", "model:rmse"),
        ("CPU usage (%)", "resource:cpu_percent"),
        ("error/rate", "api:error_rate"),
        # MLflow's slashes, and names that were exported.
        ("model/accuracy", "model:accuracy"),
        ("model.accuracy", "model:accuracy"),
        ("usage/Reply Rate", "usage:reply_rate"),
        ("val/loss", "model:val_loss"),
        ("eval/accuracy", "model:val_accuracy"),
        ("usage_reply_rate", "usage:reply_rate"),
        ("model_accuracy", "model:accuracy"),
        ("ml_model_accuracy", "model:accuracy"),
        ("ml_model_inference_seconds", "model:prediction_seconds"),
        ("ml_model_inference_seconds_bucket", "model:prediction_seconds"),
        ("llm_tokens_total", "llm:tokens"),
        ("llm_cost_usd", "llm:cost_usd"),
        ("pipeline_duration_seconds", "pipeline:duration_seconds"),
        # A category in front of an alias.
        ("model_f1", "model:f1_score"),
        ("model_avg_precision", "model:auc_pr"),
        ("model/f1", "model:f1_score"),
        ("pipeline/processing-time", "pipeline:processing_time"),
        # The word metric in front, which says nothing.
        ("metric:reply_rate", "usage:reply_rate"),
        ("metric:Reply Rate", "usage:reply_rate"),
        ("metric/f1", "model:f1_score"),
        ("metric:usage:reply_rate", "usage:reply_rate"),
        ("metric:unheard_of", "custom:metric.unheard_of"),
        ("metric_reply_rate", "custom:metric_reply_rate"),
        # A cut-off becomes a submetric.
        ("ndcg@10", "model:ndcg.at_10"),
        ("nDCG@10", "model:ndcg.at_10"),
        ("hit_rate@5", "model:hit_rate.at_5"),
        ("accuracy/top5", "model:accuracy.top5"),
        # What nothing is known of.
        ("User Engagement", "custom:user_engagement"),
        ("user_engagement", "custom:user_engagement"),
        ("train/grad-norm", "custom:train.grad_norm"),
        ("train:grad_norm", "custom:train.grad_norm"),
        ("model/foo", "model:foo"),
        ("model.foo", "model:foo"),
        ("model_foo", "custom:model_foo"),
        ("loss.validation", "custom:loss.validation"),
        # What is of the convention already.
        ("usage:reply_rate", "usage:reply_rate"),
        ("model:f1", "model:f1_score"),
        ("model:foo", "model:foo"),
        ("custom:accuracy", "custom:accuracy"),
        ("error:rate", "error:rate"),
    ],
)
def test_migration(legacy: str, name: str) -> None:
    """A legacy name becomes the metric it means, and the result migrates to itself."""
    assert migrate_metric_name(legacy) == name
    assert migrate_metric_name(name) == name


@pytest.mark.parametrize("legacy", ["", "  ", "95th percentile", "точность", "a" * 300, "a" * 250])
def test_what_cannot_be_migrated(legacy: str) -> None:
    """A name that cannot be made to fit is an error, not a guess."""
    with pytest.raises(MetricValidationError) as caught:
        migrate_metric_name(legacy)
    assert caught.value.reason == "bad_name"


def test_what_is_not_text_cannot_be_migrated() -> None:
    """None is a bad name like others."""
    with pytest.raises(MetricValidationError) as caught:
        migrate_metric_name(None)  # type: ignore[arg-type]
    assert caught.value.reason == "bad_name"


def test_migration_follows_the_catalogue() -> None:
    """There is no table: a catalogue's own aliases and names abroad are what is found."""
    catalog = Catalog(
        [
            MetricSpec(
                name="shop:basket_value",
                description="x",
                aliases=("cart_value",),
                names=NamesAbroad(mlflow="Basket (EUR)".replace("(", "").replace(")", "")),
            )
        ],
        categories={"shop": "Shop"},
    )
    assert migrate_metric_name("Cart Value", catalog=catalog) == "shop:basket_value"
    assert migrate_metric_name("shop/CartValue", catalog=catalog) == "shop:basket_value"
    assert migrate_metric_name("shop_cart_value", catalog=catalog) == "shop:basket_value"
    assert migrate_metric_name("shop/other", catalog=catalog) == "shop:other"
    assert migrate_metric_name("accuracy", catalog=catalog) == "custom:accuracy"


def test_an_ambiguous_name_is_not_guessed() -> None:
    """If several metrics could be meant, the error lists them."""
    catalog = builtin_catalog().extended(
        [MetricSpec(name="api:latency", description="Time on the wire")]
    )
    with pytest.raises(MetricValidationError, match="ambiguous") as caught:
        migrate_metric_name("Latency", catalog=catalog)
    assert caught.value.allowed == "api:latency, model:latency_ms"
    with pytest.raises(MetricValidationError, match="ambiguous"):
        migrate_metric_name("metric:latency", catalog=catalog)


def test_a_category_called_metric_is_a_category() -> None:
    """If somebody has it, the word in front says something."""
    catalog = builtin_catalog().extended([], categories={"metric": "Of metrics"})
    assert migrate_metric_name("metric:reply_rate", catalog=catalog) == "metric:reply_rate"


def test_a_closed_catalogue_has_no_custom() -> None:
    """Where undeclared names are refused, migration does not make any."""
    catalog = Catalog([MetricSpec(name="model:accuracy", description="x")], closed=True)
    assert migrate_metric_name("Accuracy", catalog=catalog) == "model:accuracy"
    with pytest.raises(MetricValidationError) as caught:
        migrate_metric_name("User Engagement", catalog=catalog)
    assert caught.value.reason == "unknown_metric"
