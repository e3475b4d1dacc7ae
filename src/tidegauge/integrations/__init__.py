# SPDX-License-Identifier: Apache-2.0
"""Ready-made instrumentation: middleware for web frameworks, and wrappers for predictions."""
