# SPDX-License-Identifier: Apache-2.0
"""Tidegauge: a metrics layer for machine-learning systems.

This module only re-exports. Importing it loads none of the libraries that store or query.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
