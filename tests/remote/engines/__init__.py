"""Tests of `pyo3magic.remote.engines`."""
