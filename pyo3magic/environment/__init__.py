"""The facts of a build: the interpreter that a module is for, the toolchain, and the variables that they read."""
