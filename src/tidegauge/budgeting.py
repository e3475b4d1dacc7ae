# SPDX-License-Identifier: Apache-2.0
"""Budgets for language models: what may be spent, what is, and who is told.

`integrations/` bound to the process's store.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from tidegauge.config import parts
from tidegauge.integrations.budgets import hooks
from tidegauge.model.budgets import Budget, BudgetWarning, CostSource, Scope
from tidegauge.model.errors import ConfigError
from tidegauge.model.periods import Period

__all__ = [
    "Budget",
    "BudgetWarning",
    "budgets",
    "on_budget_warning",
    "remove_budget",
    "set_budget",
]

Callback = TypeVar("Callback", bound=Callable[[BudgetWarning], object])


def set_budget(
    name: str,
    amount: Decimal | float | str,
    *,
    period: Period = "month",
    model: str | None = None,
    provider: str | None = None,
    feature: str | None = None,
    user: str | None = None,
    key: str | None = None,
    each: Scope | None = None,
    currency: str = "USD",
    source: CostSource = "price_list",
) -> Budget:
    """Set how much may be spent on language models in each period.

    Nothing is stopped when it is spent: at 50, 80, 95 and 100 % there is a warning, each once per
    period. A program may set its budgets whenever it starts. Setting the same again changes
    nothing; one that has changed is begun anew, and may warn again.

    Args:
        name: Tells budgets apart: letters, digits, `_`, `-` and `.`.
        amount: How much, above 0; a float counts as what it is printed as.
        period: `day`, `week` (from Monday), `month`, `quarter` or `year`, in the setting
            `time_zone`.
        model: Only calls of this model.
        provider: Only calls of this provider.
        feature: Only calls of this feature.
        user: Only calls for this user, as they are known to the program; kept as the setting
            `user_ids` says.
        key: Only calls with the key of this name.
        each: `model`, `provider`, `feature`, `user` or `key`: every value of it has the amount for
            itself. Calls without one do not count.
        currency: Of the amount. Cost in other currencies does not count, and is told.
        source: Whose cost counts: `price_list`, or what the `provider` said in its answers.

    Returns:
        The budget as it is kept.

    Raises:
        ConfigError: Something of it cannot be used, or it is of users and `user_ids` is `drop`.
        StoreError: The store cannot be written.

    Example:
        >>> import tidegauge as tg
        >>> tg.set_budget("search", 250, feature="search").amount
        Decimal('250')
    """
    return (
        parts()
        .budgets()
        .put(
            name,
            amount,
            period=period,
            model=model,
            provider=provider,
            feature=feature,
            user=user,
            key=key,
            each=each,
            currency=currency,
            source=source,
        )
    )


def remove_budget(name: str) -> bool:
    """Remove a budget.

    Returns:
        False if there is none of that name.

    Raises:
        StoreError: The store cannot be written.
    """
    return parts().budgets().remove(name)


def budgets(name: str | None = None, *, forecast: bool = True) -> list[dict[str, Any]]:
    """Tell how budgets stand in their present periods.

    Args:
        name: Only this one.
        forecast: Whether to tell what they will come to, which takes a look at eight weeks.

    Returns:
        A row for each budget; with `each`, a row for each value that has spent something. In it,
        `max`, `spent` and `remaining` are a `Decimal`, `share` is `spent` of `max`, `forecast` has
        what it will be at the end of the period (`expected`, and `low` to `high` with 95 %) or is
        None with a `forecast_reason`. `is_floor` says that more was spent than is known, and
        `reason` why; `unpriced` is how many calls have no price. `warned_percent` are the shares
        that were warned of in this period.

    Raises:
        ConfigError: There is no budget of that name.
        StoreError: The store cannot be read.
    """
    return parts().budgets().rows(name, forecast=forecast)


def on_budget_warning(callback: Callback) -> Callback:
    """Have a function called when a share of a budget is spent, once per period and budget.

    It is called in the process that notices, which is any that runs the jobs of the store; so every
    program of a store, or its agent, should register one. It runs between other jobs and is to be
    quick; what it raises is logged. Of several shares passed at once the highest is told.

    Args:
        callback: Gets a `BudgetWarning`.

    Returns:
        The function, so that this may be a decorator.

    Raises:
        ConfigError: It cannot be called.

    Example:
        >>> import tidegauge as tg
        >>> @tg.on_budget_warning
        ... def tell(warning) -> None:
        ...     print(warning.budget, warning.threshold_percent)
    """
    if not callable(callback):
        raise ConfigError(
            "what is told of budgets cannot be called", got=callback, allowed="a function"
        )
    if callback not in hooks:
        hooks.append(callback)
    return callback
