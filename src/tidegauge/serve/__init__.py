# SPDX-License-Identifier: Apache-2.0
"""What people and monitoring systems look at: the page of live metrics, as text over HTTP."""
