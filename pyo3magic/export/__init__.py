"""From built cells to what others can install: wheels, source distributions, projects.

`pyo3magic.export.source_tree.assemble_package` assembles the sources that they share; `wheel`, `sdist` and `project`
write them. Everything that can be refused is refused before cargo is started.
"""
