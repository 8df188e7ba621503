"""Layers that give funcgrad the interface of other libraries."""
