"""The magics of the main loop, each class in a module; those of the other rooms are in the rooms' own ``magics.py``."""
