"""From what cargo and rustc said to what to do next: two tables, read from the top, and the code that reads them."""
