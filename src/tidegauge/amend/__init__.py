# SPDX-License-Identifier: Apache-2.0
"""Changing what was recorded: corrections, rows taken back, users forgotten, and the trail of it.

What becomes of rows is `tidegauge.store.edit`; here is what may be asked for, in which order things
happen, and what is left if they are cut short.
"""
