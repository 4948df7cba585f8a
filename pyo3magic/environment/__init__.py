"""The facts of a build: the interpreter a module is for, the toolchain, and the variables that matter to them."""
