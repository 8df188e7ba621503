"""The nouns: primitives, tracers, the Wengert list, programs."""
