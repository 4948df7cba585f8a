"""Cells that use other cells: as dylibs, or from source where dylibs do not work."""
