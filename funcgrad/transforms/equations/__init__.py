"""Equations that hold programs: loops and branches that stay what they are when staged."""
