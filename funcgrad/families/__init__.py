"""Constructors of primitives: one declaration gives every rule."""
