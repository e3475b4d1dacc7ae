# SPDX-License-Identifier: Apache-2.0
"""The grammar of metric names, and how names are made to fit it."""

from __future__ import annotations

import pytest

from tidegauge.catalog import (
    METRIC_NAME_PATTERN,
    MetricName,
    MetricValidationError,
    check_metric_name,
    fix_metric_name,
    format_metric_name,
    parse_metric_name,
    validate_metric_name,
)

LONGEST = "usage:" + "a" * 244


@pytest.mark.parametrize(
    "name",
    [
        "usage:reply_rate",
        "model:accuracy",
        "pipeline:processing_time",
        "custom:user_engagement",
        "reply_rate",
        "model:ndcg.at_10",
        "a",
        "a:b",
        "a.b.c",
        "a_:b__.c9",
        LONGEST,
    ],
)
def test_well_formed_names(name: str) -> None:
    """Names of the form `[category:]metric_name[.submetric…]` are valid, up to 250 characters."""
    assert validate_metric_name(name) is True
    assert METRIC_NAME_PATTERN.match(name) is not None
    assert check_metric_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Reply_Rate",
        "reply rate",
        "reply-rate",
        "usage/reply_rate",
        "usage:",
        ":reply_rate",
        "usage::reply_rate",
        "usage:a:b",
        "usage:a.",
        "usage:.a",
        "usage:a..b",
        "usage.sub:a",
        "9lives",
        "usage:9lives",
        "usage:a.9",
        "_a",
        "é",
        "reply_rate\n",
        " reply_rate",
        LONGEST + "a",
    ],
)
def test_ill_formed_names(name: str) -> None:
    """Anything else is not, a trailing line feed and the 251st character among it."""
    assert validate_metric_name(name) is False
    assert METRIC_NAME_PATTERN.match(name) is None


def test_what_is_not_text_is_no_name() -> None:
    """The predicate answers for any object instead of raising."""
    assert validate_metric_name(None) is False  # type: ignore[arg-type]
    assert validate_metric_name(5) is False  # type: ignore[arg-type]


def test_parts_of_a_name() -> None:
    """A name is a category and the rest; the submetric is all after the first dot."""
    assert parse_metric_name("model:ndcg.at_10.macro") == MetricName("model", "ndcg.at_10.macro")
    assert parse_metric_name("model:ndcg.at_10.macro").submetric == "at_10.macro"
    assert parse_metric_name("reply_rate") == MetricName(None, "reply_rate")
    assert parse_metric_name("reply_rate").submetric is None
    assert str(MetricName("usage", "reply_rate")) == "usage:reply_rate"
    assert str(MetricName(None, "reply_rate")) == "reply_rate"


def test_a_name_is_put_together() -> None:
    """`format_metric_name` joins category, name and any submetrics."""
    assert format_metric_name("usage", "reply_rate") == "usage:reply_rate"
    assert format_metric_name(None, "reply_rate") == "reply_rate"
    assert format_metric_name("model", "ndcg", "at_10", "macro") == "model:ndcg.at_10.macro"


def test_a_bad_part_is_refused_when_put_together() -> None:
    """What `format_metric_name` returns is always a valid name."""
    with pytest.raises(MetricValidationError) as caught:
        format_metric_name("usage", "Reply Rate")
    assert caught.value.reason == "bad_name"
    assert caught.value.got == "usage:Reply Rate"
    for parts in ((3,), ("x", None), ("x", b"y")):
        with pytest.raises(MetricValidationError, match="metric name is of type") as caught:
            format_metric_name("model", *parts)
        assert caught.value.reason == "bad_name"


def test_the_error_says_what_to_write() -> None:
    """The text has what, got, allowed, and the name that would do."""
    with pytest.raises(MetricValidationError) as caught:
        check_metric_name("usage/Reply Rate")
    assert str(caught.value) == (
        "metric name does not fit the grammar; got 'usage/Reply Rate'; "
        "allowed: [category:]metric_name[.submetric…], each part a lower-case letter followed by "
        "lower-case letters, digits or '_', at most 250 characters. Write 'usage:reply_rate'."
    )
    assert caught.value.reason == "bad_name"


def test_the_error_for_what_cannot_be_fixed() -> None:
    """Too long a name, and something that is no text, are told as what they are."""
    with pytest.raises(MetricValidationError, match=r"^metric name has 251 characters; ") as caught:
        parse_metric_name(LONGEST + "a")
    assert caught.value.fix == "Choose a name that fits."
    with pytest.raises(MetricValidationError, match=r"^metric name is of type NoneType; "):
        parse_metric_name(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("legacy", "fixed"),
    [
        ("reply_rate", "reply_rate"),
        ("a__b_", "a__b_"),
        ("Reply Rate", "reply_rate"),
        ("  reply   rate  ", "reply_rate"),
        ("replyRate", "reply_rate"),
        ("ReplyRate", "reply_rate"),
        ("reply-rate", "reply_rate"),
        ("reply\u2013rate", "reply_rate"),
        ("REPLY_RATE", "reply_rate"),
        ("F1Score", "f1_score"),
        ("AUCScore", "auc_score"),
        ("usage/reply-rate", "usage:reply_rate"),
        ("usage\\reply-rate", "usage:reply_rate"),
        ("Usage: Reply Rate", "usage:reply_rate"),
        ("usage:reply:rate", "usage:reply.rate"),
        ("train/loss", "train.loss"),
        ("train:loss", "train.loss"),
        ("/a//b/", "a.b"),
        ("_private", "private"),
        ("ndcg@10", "ndcg.at_10"),
        ("CPU usage (%)", "cpu_usage_percent"),
        ("R²", "r2"),
        ("précision", "precision"),
        ("loss/0", "loss_0"),
        ("model/0", "model_0"),
        ("usage", "usage"),
    ],
)
def test_fixable_names(legacy: str, fixed: str) -> None:
    """Case, spaces, dashes, slashes, accents, percent and at signs are fixed; valid names stay."""
    assert fix_metric_name(legacy) == fixed
    assert validate_metric_name(fixed)


def test_categories_decide_what_a_slash_is() -> None:
    """The first part is a category only if it is one of those that exist."""
    assert fix_metric_name("shop/basket", categories={"shop"}) == "shop:basket"
    assert fix_metric_name("shop/basket") == "shop.basket"
    assert fix_metric_name("shop:basket", categories={"shop"}) == "shop:basket"
    assert fix_metric_name("shop:basket") == "shop.basket"


def test_camel_case_may_be_left_alone() -> None:
    """`split_camel=False` lowers without splitting, for acronyms such as nDCG."""
    assert fix_metric_name("nDCG", split_camel=False) == "ndcg"
    assert fix_metric_name("nDCG") == "n_dcg"


@pytest.mark.parametrize(
    "legacy", ["", "   ", "95th", "9", "точность", "精度", "---", "a" * 251, "/"]
)
def test_unfixable_names(legacy: str) -> None:
    """Nothing left, a digit first, letters that are not Latin, or too long: an error."""
    with pytest.raises(MetricValidationError) as caught:
        fix_metric_name(legacy)
    assert caught.value.reason == "bad_name"


def test_fixing_what_is_not_text() -> None:
    """An object that is no text is a bad name too."""
    with pytest.raises(MetricValidationError) as caught:
        fix_metric_name(3.5)  # type: ignore[arg-type]
    assert caught.value.reason == "bad_name"
