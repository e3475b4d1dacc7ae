# SPDX-License-Identifier: Apache-2.0
"""Followers that carry facts out of the machine, one adapter file per destination.

Nothing is imported here: whoever wants a follower names its module, and only then is the
destination's client library loaded.
"""
