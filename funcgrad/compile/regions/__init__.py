"""Groups of equations that are evaluated together: in tiles, as Python numbers, as one product."""
