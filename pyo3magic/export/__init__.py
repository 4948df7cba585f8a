"""From built cells to what others can install: wheels, source distributions, projects.

`pyo3magic.export.source_tree.make_package` makes the source tree that all of them share; `wheel`, `sdist` and `project`
write it.
"""
