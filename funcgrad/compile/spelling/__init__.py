"""How each primitive is written as NumPy source, for compiled functions and for exported modules.

`spelled(equation, operands, scope)` is one expression that computes, to the last bit, what the
primitive's value is on plain arrays. What NumPy says in one line is written as this line; all else
is a call of the primitive's own function, which the scope makes known.
"""

from funcgrad.compile.spelling.scope import Scope
from funcgrad.compile.spelling.table import spelled, takes_out

__all__ = ["Scope", "spelled", "takes_out"]
