"""Programs and tests in a cell, and what the compiler and its tools have to say about one.

`perform` in ``run.py`` is what ``%%rust --test``, ``--bin``, ``--emit`` and ``--profile-build`` call.
"""
