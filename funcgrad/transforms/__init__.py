"""Functions of functions: the public transforms."""
