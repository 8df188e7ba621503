"""What a failing check raises.

The laws of a derivative are assertions: a failure is an `AssertionError`, so test runners report it
as a failed test and not as a broken one.
"""

from dataclasses import dataclass

__all__ = ["DerivativeCheckError", "LawError", "StructureCheckError"]


class LawError(AssertionError):
    """Base class of every failed check of `funcgrad.testing`."""


class StructureCheckError(LawError):
    """A result has the wrong structure, shape or dtype.

    Fails: `check_jvp(np.sin, lambda p, t: (np.sin(*p), np.ones(2)), (np.ones(3),))`.
    Mended: `check_jvp(np.sin, lambda p, t: (np.sin(*p), np.cos(*p) * t[0]), (np.ones(3),))`.
    """


@dataclass(eq=False)
class DerivativeCheckError(LawError):
    """A derivative breaks a law; the message says which, where, by how much and why.

    Fails: `check_jvp(np.sin, lambda p, t: (np.sin(*p), np.sin(*p) * t[0]), (np.ones(3),))`.
    Mended: `check_jvp(np.sin, lambda p, t: (np.sin(*p), np.cos(*p) * t[0]), (np.ones(3),))`.

    Attributes:
        message: what a reader sees.
        law: the law that failed, e.g. `"jvp = numerical derivative"`.
        path: the key path of the leaf where it failed most, e.g. `"args[0]['w'][2]"`.
        verdict: `"wrong rule"`, `"ill-conditioned here"`, `"kink here"` or
            `"one triangle is read"`.
        mismatch: absolute difference of the two sides of the law there.
        error: estimated error of the numerical side there (0 where both sides are exact).
    """

    message: str
    law: str
    path: str
    verdict: str
    mismatch: float
    error: float

    def __str__(self) -> str:
        return self.message
