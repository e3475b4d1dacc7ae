# SPDX-License-Identifier: Apache-2.0
"""Time zones by name."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tidegauge.model.errors import ConfigError

__all__ = ["zone_of"]


def zone_of(name: str) -> ZoneInfo:
    """The time zone of a name such as `Europe/Amsterdam`.

    Raises:
        ConfigError: There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            "there is no such time zone",
            got=name,
            allowed="a name of the IANA database, such as Europe/Amsterdam or UTC",
            fix="Where the system has no time zones, install the package tzdata.",
        ) from error
