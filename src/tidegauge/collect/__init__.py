# SPDX-License-Identifier: Apache-2.0
"""Pollers: what nobody in the program knows, the machine, its GPUs and the cloud's bills."""
