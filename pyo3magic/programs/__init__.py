"""Run a cell's program or tests, and show the output of the compiler and its tools for a cell.

``%%rust --test``, ``--bin``, ``--emit`` and ``--profile-build`` call `perform` in ``run.py``.
"""
