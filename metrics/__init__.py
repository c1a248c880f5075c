"""Metrics: one file per metric, found by themselves (see `metrics.registry`)."""
