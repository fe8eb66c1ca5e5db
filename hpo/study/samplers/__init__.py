"""Samplers and pruners, a row each in one table."""
