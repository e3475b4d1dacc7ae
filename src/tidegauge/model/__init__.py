# SPDX-License-Identifier: Apache-2.0
"""The nouns every other package speaks: specs, series, tables, time ranges, errors, the clock.

Standard library and msgspec only. Nothing here reads a file, takes a lock or knows of a process.
"""
