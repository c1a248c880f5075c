"""Resynthesis methods: one file per method, found by themselves (see `methods.catalog`)."""
