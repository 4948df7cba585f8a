"""Advice on the failures of cargo and rustc: two tables, searched from the top, and the code that searches them."""
