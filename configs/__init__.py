"""Configurations that ship with the project."""
