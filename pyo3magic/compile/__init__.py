"""From a crate to an artifact: ``pipeline.py`` is the way through; cargo and rustc are started only in this room."""
