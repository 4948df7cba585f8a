"""Completion and help for cells while they are typed: text and cursor in, suggestions out.

Nothing is built, no process is started, and the network is not asked. The text may be half-written, so nothing here
raises for a text that is not Rust.
"""
