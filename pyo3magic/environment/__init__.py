"""The facts of a build: the target interpreter, the toolchain, and the environment variables that they read."""
