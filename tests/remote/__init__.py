"""Tests of the targets, on real kernels."""
