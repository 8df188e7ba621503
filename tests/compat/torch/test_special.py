"""Special functions that the layer adds: values, derivatives, ends, and refused derivatives."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compat import torch
from funcgrad.primitives import special_functions as core
from funcgrad.primitives.signal import bessel_i

# Computed in 40 digits with mpmath 1.3, rounded to double precision.
REFERENCE: dict[str, list[tuple[float, float]]] = {
    "erfcx": [
        (-3.0, 16205.988853999586),
        (-0.3, 1.4537492328427655),
        (0.0, 1.0),
        (0.7, 0.525930337349441),
        (5.0, 0.11070463773306863),
        (9.99, 0.05619664070685882),
        (10.01, 0.056085454355001924),
        (300.0, 0.0018806214973780646),
    ],
    "erfinv": [
        (-0.999999, -3.458910737275499),
        (-0.3, -0.2724627147267543),
        (1e-10, 8.862269254527581e-11),
        (0.5, 0.4769362762044699),
        (0.75, 0.8134198475976185),
        (0.9999999999999991, 5.686128441310391),
    ],
    "ndtri": [
        (1e-300, -37.0470962993612),
        (1e-05, -4.264890793922825),
        (0.2, -0.8416212335729142),
        (0.25, -0.6744897501960817),
        (0.5001, 0.00025066283008800747),
        (0.9, 1.2815515655446006),
        (0.9999999999999991, 7.956038125481531),
    ],
    "log_ndtr": [
        (-10000.0, -50000010.12927891),
        (-40.0, -804.6084420137538),
        (-1.5, -2.7059444008238898),
        (-0.99, -1.8258103178428124),
        (0.3, -0.4814101615884812),
        (8.0, -6.220960574271786e-16),
    ],
    "i0": [
        (-2.0, 2.2795853023360673),
        (0.0, 1.0),
        (0.001, 1.0000002500000156),
        (5.0, 27.239871823604446),
        (29.9, 708478330489.0145),
        (30.1, 862432920031.7792),
        (600.0, 6.1463054039368444e258),
    ],
    "i0e": [
        (-2.0, 0.30850832255367105),
        (0.0, 1.0),
        (5.0, 0.18354081260932836),
        (29.9, 0.07326921904600191),
        (30.1, 0.07302329413106094),
        (1000000.0, 0.00039894233026924577),
    ],
    "i1": [
        (-2.0, -1.590636854637329),
        (0.001, 0.0005000000625000026),
        (5.0, 24.335642142450528),
        (29.9, 696528308361.0927),
        (30.1, 847983630191.5414),
    ],
    "i1e": [
        (-2.0, -0.21526928924893765),
        (5.0, 0.16397226694454237),
        (29.9, 0.07203337491186879),
        (30.1, 0.07179985435101434),
        (1000000.0, 0.0003989421307980308),
    ],
    "entr": [(1e-10, 2.302585092994046e-09), (0.3, 0.3611918412977808), (1.5, -0.6081976621622466)],
}
ZETA = [
    (2.0, 1.0, 1.6449340668482264),
    (1.01, 0.3, 103.5425625034783),
    (3.5, 7.25, 0.0033524741021978824),
    (10.0, 0.01, 9.999999999999998e19),
    (60.0, 2.0, 8.673617380119933e-19),
    (2.0, 10000.0, 0.00010000500016666666),
]
GAMMA = [
    (0.01, 0.5, 0.9943732438060329, 0.0056267561939671844),
    (1.0, 1.0, 0.6321205588285577, 0.36787944117144233),
    (2.5, 0.1, 0.0008861387888124426, 0.9991138612111875),
    (2.5, 9.0, 0.9970535954121197, 0.0029464045878802906),
    (30.0, 25.0, 0.18210391597745512, 0.8178960840225449),
    (30.0, 60.0, 0.9999931237350312, 6.876264968732097e-06),
    (0.5, 40.0, 1.0, 3.744097384202899e-19),
]


# Within 8 units in the last place, except where a factor exp(x) or exp(-x²/2) amplifies rounding:
# at x = 8 the normal tail's relative condition number is x² = 64.
ULP = 8 * 2.0**-52
GROWING = {"i0": 8 * ULP, "i1": 8 * ULP, "i1e": 4 * ULP, "i0e": 4 * ULP, "log_ndtr": 8 * ULP}


@pytest.mark.parametrize("name", REFERENCE)
def test_values_are_accurate(name: str) -> None:
    x, expected = np.array(REFERENCE[name]).T
    found = getattr(torch.special, name)(torch.tensor(x.tolist(), dtype=torch.float64)).numpy()
    np.testing.assert_allclose(found, expected, rtol=GROWING.get(name, ULP))


def test_zeta_is_accurate() -> None:
    s, q, expected = (
        torch.tensor(list(row), dtype=torch.float64) for row in zip(*ZETA, strict=True)
    )
    found = torch.special.zeta(s, q)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=ULP)


def test_incomplete_gamma_functions_are_accurate() -> None:
    a, x, lower, upper = (
        torch.tensor(list(row), dtype=torch.float64) for row in zip(*GAMMA, strict=True)
    )
    # a log x - x - lgamma(a) is up to 100 here, so its rounding alone is 100 units.
    np.testing.assert_allclose(torch.igamma(a, x).numpy(), lower.numpy(), rtol=1e-13)
    np.testing.assert_allclose(torch.igammac(a, x).numpy(), upper.numpy(), rtol=1e-13)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("special.erfinv(t([-1., 1., 2., 0.]))", [-np.inf, np.inf, np.nan, 0.0]),
        ("special.ndtri(t([0., 1., 0.5, -1.]))", [-np.inf, np.inf, 0.0, np.nan]),
        ("special.erfcx(t([np.inf, -np.inf, np.nan]))", [0.0, np.inf, np.nan]),
        ("special.log_ndtr(t([np.inf, -np.inf]))", [0.0, -np.inf]),
        ("special.i0(t([np.inf, 0.]))", [np.inf, 1.0]),
        ("special.i0e(t([np.inf, -np.inf]))", [0.0, 0.0]),
        ("special.i1(t([0., -np.inf]))", [0.0, -np.inf]),
        ("special.entr(t([0., -1., np.inf]))", [0.0, -np.inf, -np.inf]),
        ("special.zeta(t([1., 0.5, 2., 2.]), t([2., 2., 0., -0.5]))",
         [np.inf, np.nan, np.inf, 8.934802200544679]),
        ("special.gammainc(t([0., 1., 1., 0., -1.]), t([1., 0., np.inf, 0., 1.]))",
         [1.0, 0.0, 1.0, np.nan, np.nan]),
        ("special.gammaincc(t([0., 1., 1.]), t([1., 0., np.inf]))", [0.0, 1.0, 0.0]),
        ("special.xlog1py(t([0., 0.]), t([-1., np.nan]))", [0.0, np.nan]),
        ("xlogy(t([0., 0., 0.]), t([0., np.inf, np.nan]))", [0.0, 0.0, np.nan]),
    ],
)  # fmt: skip
def test_ends_have_their_limits(text: str, expected: list[float]) -> None:
    def t(values: list[float]) -> Any:
        return torch.tensor(values, dtype=torch.float64)

    with np.errstate(all="ignore"):
        found = eval(f"torch.{text}", {"torch": torch, "t": t, "np": np})
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)


FUNCTIONS = {
    "erfcx": (core.erfcx, (-2.0, -0.3, 0.4, 6.0, 12.0)),
    "erfinv": (core.erfinv, (-0.9, -0.2, 0.3, 0.8)),
    "ndtri": (core.ndtri, (0.2, 0.35, 0.6, 0.8)),
    "log_ndtr": (core.log_ndtr, (-8.0, -0.7, 0.4, 2.0)),
    "i0e": (lambda x: core.scaled_bessel_i(x, 0), (-1.2, 0.4, 5.0, 40.0)),
    "i1e": (lambda x: core.scaled_bessel_i(x, 1), (-1.2, 0.4, 5.0, 40.0)),
    "i0": (lambda x: bessel_i(x, 0), (-1.2, 0.4, 5.0)),
    "i1": (lambda x: bessel_i(x, 1), (-1.2, 0.4, 5.0)),
    "zeta": (lambda q: core.zeta(np.float64(2.5), q), (0.4, 1.5, 8.0)),
    "lower_gamma": (lambda x: core.gammainc(np.float64(2.5), x), (0.4, 1.5, 8.0)),
    "upper_gamma": (lambda x: core.gammaincc(np.float64(2.5), x), (0.4, 1.5, 8.0)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_second_and_third_derivatives_are_differences_of_the_ones_below(name: str) -> None:
    function, points = FUNCTIONS[name]
    for _ in range(3):
        slope = fg.grad(function)
        for x in points:
            step = 1e-3 * max(1.0, abs(x) / 10)
            steps = [k * step for k in (-2, -1, 1, 2)]
            low, near_low, near_high, high = (function(np.float64(x + s)) for s in steps)
            central = (8 * (near_high - near_low) - (high - low)) / (12 * step)
            # The difference of fourth order is exact to h⁴ times the fifth derivative.
            scale = max(abs(central), abs(function(np.float64(x))))
            assert abs(slope(np.float64(x)) - central) <= 2e-7 * scale + 1e-11
        function = slope


@pytest.mark.parametrize("name", FUNCTIONS)
def test_forward_mode_equals_reverse_mode(name: str) -> None:
    function, points = FUNCTIONS[name]
    for x in map(np.float64, points):
        forward = fg.jvp(function, (x,), (np.float64(1.0),))[1]
        assert forward == pytest.approx(fg.grad(function)(x), rel=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vmap_of_the_gradient_equals_separate_calls(name: str) -> None:
    function, points = FUNCTIONS[name]
    together = fg.vmap(fg.grad(function))(np.array(points))
    np.testing.assert_allclose(together, [fg.grad(function)(np.float64(x)) for x in points])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torch.special.zeta(x, x)", "the derivative for 'zeta' is not implemented"),
        ("torch.igamma(x, x)", "the derivative for 'igamma: input' is not implemented"),
        ("torch.igammac(x, x)", "the derivative for 'igammac: input' is not implemented"),
        ("torch.heaviside(x, x)", "derivative for aten::heaviside is not implemented"),
        ("torch.floor_divide(x, x)", "derivative for aten::floor_divide is not implemented"),
    ],
)
def test_derivatives_that_pytorch_lacks_raise_in_place_of_being_zero(
    text: str, message: str
) -> None:
    x = torch.tensor([1.5, 2.5], requires_grad=True)
    out = eval(text, {"torch": torch, "x": x})
    with pytest.raises(RuntimeError, match=message):
        torch.autograd.grad(out, [x], torch.ones(2))


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64"])
def test_types_are_kept(kind: str) -> None:
    x = torch.tensor([0.25, 0.5], dtype=getattr(torch, kind))
    for name in REFERENCE:
        assert getattr(torch.special, name)(x).dtype is x.dtype


# --- beside PyTorch -----------------------------------------------------------------------------

ONE: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        ("erf", "erfc", "erfcx", "expit", "expm1", "exp2", "log_ndtr", "ndtr"), (-4, 4)
    ),
    **dict.fromkeys(("sinc", "i0", "i0e", "i1", "i1e", "modified_bessel_i0"), (-9, 9)),
    **dict.fromkeys(("modified_bessel_i1", "bessel_j0", "bessel_j1", "airy_ai"), (-9, 9)),
    **dict.fromkeys(
        ("bessel_y0", "bessel_y1", "modified_bessel_k0", "modified_bessel_k1"), (0.1, 9)
    ),
    **dict.fromkeys(("scaled_modified_bessel_k0", "scaled_modified_bessel_k1"), (0.1, 9)),
    **dict.fromkeys(("gammaln", "digamma", "psi", "entr", "log1p"), (0.1, 9)),
    **dict.fromkeys(("ndtri", "logit"), (0.01, 0.99)),
    "erfinv": (-0.99, 0.99),
    "spherical_bessel_j0": (0.6, 9),  # nearer to 0, PyTorch's has a relative error of 1e-7
    "round": (-9, 9),
}
TWO: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "gammainc": ((0.1, 9), (0.1, 9)),
    "gammaincc": ((0.1, 9), (0.1, 9)),
    "xlogy": ((-9, 9), (0.1, 9)),
    "xlog1py": ((-9, 9), (-0.9, 9)),
    "zeta": ((1.1, 9), (0.1, 9)),
}
FURTHER: dict[str, Any] = {
    "multigammaln": lambda t, x: t.special.multigammaln(x + 3, 3),
    "polygamma": lambda t, x: t.special.polygamma(2, x),
    "softmax": lambda t, x: t.special.softmax(x, 0),
    "log_softmax": lambda t, x: t.special.log_softmax(x, 0),
    "logsumexp": lambda t, x: t.special.logsumexp(x, 0),
}
POLYNOMIALS = (
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v",
    "chebyshev_polynomial_w", "hermite_polynomial_h", "hermite_polynomial_he",
    "laguerre_polynomial_l", "legendre_polynomial_p", "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
)  # fmt: skip


# Errors of PyTorch 2.13 in double precision, measured against mpmath: its constants are too short.
COARSE = {
    **dict.fromkeys(("bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1"), 1e-6),
    "airy_ai": 4e-6,
}


def draws(name: str, kind: Any) -> list[Any]:
    rng = np.random.default_rng(5)
    intervals = TWO.get(name) or (ONE.get(name, (0.1, 0.9)),)
    return [rng.uniform(low, high, 200).astype(kind) for low, high in intervals]


def called(name: str, module: Any, arrays: list[Any], *, grad: bool) -> tuple[Any, Any]:
    """The result, and the gradient of its sum by the last operand where there is one."""
    tensors = [module.tensor(a.tolist(), dtype=getattr(module, str(a.dtype))) for a in arrays]
    tensors[-1].requires_grad_(grad)
    if name in FURTHER:
        out = FURTHER[name](module, tensors[0])
    elif name in POLYNOMIALS:
        out = getattr(module.special, name)(tensors[0], 3)
    else:
        out = getattr(module.special, name)(*tensors)
    if not out.requires_grad:
        return out, None
    out.sum().backward()
    return out, tensors[-1].grad.numpy()


@pytest.mark.oracle
@pytest.mark.parametrize("kind", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", [*ONE, *TWO, *FURTHER, *POLYNOMIALS])
def test_values_and_gradients_are_those_of_pytorch(name: str, kind: Any) -> None:
    real: Any = pytest.importorskip("torch")
    arrays = draws(name, kind)
    expected, expected_slope = called(name, real, arrays, grad=True)
    found, slope = called(name, torch, arrays, grad=True)
    assert str(found.dtype) == str(expected.dtype)
    assert found.requires_grad == expected.requires_grad
    # PyTorch's own errors are most of it: near zeros of the functions, and in its exponents
    eps = max(200 * float(np.finfo(kind).eps), COARSE.get(name, 0.0))
    np.testing.assert_allclose(
        found.detach().numpy(), expected.detach().numpy(), rtol=eps, atol=eps
    )
    assert (slope is None) == (expected_slope is None)
    if slope is not None:
        eps = max(eps, 1e-9) if name in ("digamma", "psi") else eps  # its trigamma function
        scale = max(1.0, float(np.max(np.abs(expected_slope))))
        np.testing.assert_allclose(slope, expected_slope, rtol=5 * eps, atol=eps * scale)


@pytest.mark.oracle
def test_no_public_name_of_torch_special_is_missing_or_without_a_comparison() -> None:
    real = pytest.importorskip("torch")
    names = set(real.special.__all__)
    assert not {name for name in names if not hasattr(torch.special, name)}
    assert names == {*ONE, *TWO, *FURTHER, *POLYNOMIALS}
