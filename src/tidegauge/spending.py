# SPDX-License-Identifier: Apache-2.0
"""What language models are used for and cost, and pricing calls anew, for the process's store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tidegauge.config import parts
from tidegauge.integrations.llm.repricing import Repriced, reprice
from tidegauge.integrations.llm.rows import pricer
from tidegauge.record.front import recorder

if TYPE_CHECKING:
    from tidegauge.query.llm_calls import Prices

__all__ = ["Repriced", "llm_top", "llm_usage", "reprice_llm_calls"]

#: A dictionary with amounts as `Decimal`; docs/how-to/llm-spend.md says what is in.
Document = dict[str, Any]


def llm_usage(by: str | Sequence[str] = (), *, prices: Prices = "latest", **asked: Any) -> Document:
    """Tell what language models were used for, and what it cost.

    Args:
        by: Told apart by `model`, `provider`, `feature`, `user`, `key`, `operation`, a dimension,
            `label.<name>`, `hour`, `day`, `week` or `month`, or several of them.
        prices: `latest` is what was worked out last, `first` what calls were recorded with.
        asked: `hours`, `days`, or `start` and `end`; everything if there is none. What to choose
            calls by: `model`, `provider`, `feature`, `user` and so on, a text or a list of texts;
            `labels`, a dict.

    Returns:
        `totals`, a row for each currency, and `groups`. In a row, cost that is not known is None
        with a reason, and `is_floor` says that a cost is the least that it can be.

    Raises:
        QueryError: The question makes no sense.
        StoreError: The store cannot be read.

    Example:
        >>> import tidegauge as tg
        >>> tg.llm_usage("feature", days=7)["totals"]
        []
    """
    return parts().query.llm.spend(by=by, prices=prices, **_known(asked))


def llm_top(
    by: str = "model",
    *,
    limit: int = 10,
    sort: str = "cost",
    prices: Prices = "latest",
    **asked: Any,
) -> Document:
    """Tell which models, features or users are most.

    Args:
        by: As for `llm_usage`.
        limit: Most groups.
        sort: Most in what: `cost`, `tokens`, `calls`, `latency` or `errors`.
        prices: As for `llm_usage`.
        asked: As for `llm_usage`.

    Returns:
        What `llm_usage` does, with the groups in that order, and the `share` of each in the cost.

    Raises:
        QueryError: As for `llm_usage`.
        StoreError: As for `llm_usage`.
    """
    return parts().query.llm.top(by, limit=limit, sort=sort, prices=prices, **_known(asked))


def reprice_llm_calls(
    *,
    unpriced: bool = False,
    dry_run: bool = False,
    advance: Callable[[int], None] | None = None,
    **asked: Any,
) -> Repriced:
    """Work prices of calls out anew, each for its own time, by the price lists as they are.

    A price that has changed becomes a row of the table `llm_prices` with the next version, and
    holds from now on; the call keeps the one it was recorded with. What is not known to the lists
    any more has no price then, and a reason.

    Args:
        unpriced: Only calls without a price.
        dry_run: Only tell what would change.
        advance: Is told how many calls were looked at.
        asked: A range, and what to choose calls by; as for `llm_usage`.

    Raises:
        QueryError: As for `llm_usage`.
        ConfigError: A file with prices cannot be used.
        StoreError: As for `llm_usage`.
    """
    recorder.get_ready()
    calls = parts().query.llm.to_price(unpriced=unpriced, **_known(asked))
    return reprice(recorder, pricer(), calls, dry_run=dry_run, advance=advance)


def _known(asked: dict[str, Any]) -> dict[str, Any]:
    """The question with users as the store has them."""
    user = asked.get("user")
    if user is None:
        return asked
    forms = parts().privacy.forms
    users = [user] if isinstance(user, str) else list(user)
    return {**asked, "user": [form for each in users for form in forms(each)]}
