# SPDX-License-Identifier: Apache-2.0
"""The write front: from a call in somebody's program to a fact in the journal.

`front` has what programs call, `hot` the path of nearly every call, `recorder` all that is rare.
Nothing here waits for a follower or knows that one exists.
"""
