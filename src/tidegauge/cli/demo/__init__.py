# SPDX-License-Identifier: Apache-2.0
"""`tidegauge demo`: the whole way of a fact on a real model, with a process killed on it.

`story` tells it, `training` and `fleet` make it happen, `worker` is what gets killed, and `checks`
says whether everything adds up. This is the only place that needs scikit-learn.
"""
