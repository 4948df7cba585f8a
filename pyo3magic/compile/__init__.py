"""Compile a crate into an artifact, starting at ``pipeline.py``. Only this room starts cargo and rustc."""
