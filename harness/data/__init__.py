"""Corpora: the embedded one, and loaders of the layouts the field uses."""
