"""Tests of `pyo3magic.targets.engines`."""
