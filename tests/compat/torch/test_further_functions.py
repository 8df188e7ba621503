"""Masked reductions, windows, polynomials, elimination, copies, checkpoints: as in PyTorch 2.13.

`python -m tests.compat.torch.test_further_functions`, where PyTorch is installed, records them.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import funcgrad.compat.torch as layer
from tests.compat.torch.shape_cases import difference, outcome

RECORDED = Path(__file__).resolve().parents[2] / "data" / "torch_further.json"

# The tensors are those of shape_cases.inputs: leaves v, w (3), m (3, 4), b (2, 3, 4), q (3, 3).
PROGRAMS = """
torch.masked.sum(m, 1, mask=m > 0)
torch.masked.sum(n, mask=n > 5)
torch.masked.prod(m, 0, mask=m > 0)
torch.masked.mean(b, (0, 2), keepdim=True, mask=b < 1)
torch.masked.mean(n, 0)
torch.masked.amax(m, 0, mask=m > 0)
torch.masked.amin(n, 1, mask=n > 5)
torch.masked.argmax(m, 1, mask=m < 0)
torch.masked.argmin(m, mask=m > 0)
torch.masked.median(m, 1, mask=m > -1)
torch.masked.norm(m, 2, 1, mask=m > 0)
torch.masked.var(m, 1, mask=m > -1)
torch.masked.std(m, 0, unbiased=False)
torch.masked.logsumexp(m, 1, mask=m > 0)
torch.masked.softmax(m, 1, mask=m > -1)
torch.masked.log_softmax(m, 1)
torch.masked.softmin(m, 0, mask=m > -1)
torch.masked.cumsum(m, 1, mask=m > 0)
torch.masked.cumprod(v, 0, mask=v > 0)
torch.masked.normalize(m, 2.0, 1, mask=m > 0)
torch.masked.logaddexp(v, w, input_mask=k)
torch.masked.sum(v, mask=m > 0)
torch.softmax(torch.tensor([[float('inf'), 1], [-float('inf'), -float('inf')]]), 1)
torch.log_softmax(torch.tensor([[-float('inf'), 1.], [-float('inf'), -float('inf')]]), 1)
torch.nn.functional.softmin(torch.tensor([float('inf'), float('inf')]), 0)
torch.signal.windows.hann(5)
torch.signal.windows.hamming(6, sym=False, dtype=torch.float64)
torch.signal.windows.kaiser(5, beta=3.0, dtype=torch.float64)
torch.signal.windows.gaussian(4, std=2.0)
torch.signal.windows.exponential(5, tau=0.5)
torch.signal.windows.bartlett(1)
torch.signal.windows.blackman(0)
torch.signal.windows.hann(-1)
torch.special.chebyshev_polynomial_t(f, 4)
torch.special.chebyshev_polynomial_u(f, torch.tensor([0, 3, -1]))
torch.special.shifted_chebyshev_polynomial_w(0.5, f)
torch.special.hermite_polynomial_h(f, 5)
torch.special.hermite_polynomial_he(n, 3)
torch.special.laguerre_polynomial_l(f.double(), 4)
torch.special.legendre_polynomial_p(f, 6)
torch.special.spherical_bessel_j0(torch.tensor([0., 1.5, float('inf')]))
torch.linalg.lu(q)
torch.linalg.lu(m)
torch.linalg.lu(m.mT)
torch.linalg.lu_factor(q)
torch.linalg.lu_factor(torch.zeros(2, 2))
torch.linalg.lu_factor_ex(torch.zeros(2, 2))
torch.linalg.lu_factor(v)
torch.lu(q, get_infos=True)
torch.lu_unpack(*torch.linalg.lu_factor(q))
torch.linalg.lu_solve(*torch.linalg.lu_factor(q), m)
torch.linalg.lu_solve(*torch.linalg.lu_factor(q), m.mT, left=False)
torch.linalg.lu_solve(*torch.linalg.lu_factor(q), m, adjoint=True)
torch.lu_solve(m, *torch.linalg.lu_factor(q))
torch.triangular_solve(m, q).solution
torch.triangular_solve(m, q, upper=False, transpose=True)[0]
torch.linalg.householder_product(m.mT, v)
torch.geqrf(q.detach())
torch.utils.checkpoint.checkpoint(torch.sin, v, use_reentrant=False)
torch.utils.checkpoint.checkpoint(lambda a: a.sin() * a.exp(), v, use_reentrant=False)
torch.utils.checkpoint.checkpoint(lambda a: a.sin() * a.exp(), u, use_reentrant=True)
torch.utils.checkpoint.checkpoint(torch.mul, v, w, use_reentrant=True)
torch.utils.checkpoint.checkpoint_sequential([torch.sin, torch.exp], 2, v, use_reentrant=False)
twice(torch.utils.checkpoint.checkpoint(lambda a: a.sin() * a, v, use_reentrant=False), v)
torch.vander(f)
torch.vander(torch.tensor([1, 2, 3]), increasing=True)
torch.histogramdd(n.reshape(6, 2).double(), [2, 3])
torch.nonzero_static(n > 8, size=2)
torch.nonzero_static(n > 8, size=4, fill_value=-2)
torch.isin(n, torch.tensor([1, 5, 7]))
torch.isin(n, 4, invert=True)
torch.expand_copy(v, (2, 3))
torch.as_strided_copy(m, (2, 2), (1, 2))
torch.view_copy(m, (6, 2))
torch.diagonal_copy(q)
torch.split_with_sizes_copy(m, [1, 2])
torch.unfold_copy(m, 0, 2, 1)
m.sum_to_size(1, 4)
b.sum_to_size(4)
m.sum_to_size(2, 4)
torch.empty_strided((2, 3), (1, 2)).stride()
torch.empty_permuted((2, 3, 4), (2, 0, 1)).stride()
m.new_empty_strided((2, 2), (1, 2)).stride()
""".strip().splitlines()

OUTCOMES: dict[str, Any] = (
    json.loads(RECORDED.read_text(encoding="utf-8"))["outcomes"] if RECORDED.exists() else {}
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_gives_what_was_recorded_from_pytorch(program: str) -> None:
    assert difference(outcome(layer, program), OUTCOMES[program]) == ""


def test_checkpoint_draws_the_same_random_numbers_again() -> None:
    x = layer.ones(8, requires_grad=True)
    layer.manual_seed(0)
    y = layer.utils.checkpoint.checkpoint(layer.nn.functional.dropout, x, use_reentrant=False)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()


def test_checkpoint_keeps_nothing_but_the_arguments() -> None:
    kept = []
    x = layer.ones(3, requires_grad=True)
    with layer.autograd.graph.saved_tensors_hooks(kept.append, lambda item: item):
        layer.utils.checkpoint.checkpoint(lambda a: a.sin().exp(), x, use_reentrant=False)
    assert kept == []


def test_vander_has_the_derivative_of_powers() -> None:
    x = layer.tensor([2.0, 3.0], requires_grad=True)
    layer.vander(x, 4).sum().backward()
    assert x.grad.tolist() == [1 + 2 * 2 + 3 * 4, 1 + 2 * 3 + 3 * 9]


def test_low_rank_decompositions_give_the_matrix_back() -> None:
    layer.manual_seed(0)
    a = layer.randn(7, 2, dtype=layer.float64) @ layer.randn(2, 5, dtype=layer.float64)
    u, s, v = layer.svd_lowrank(a, 3)
    assert layer.allclose(u @ layer.diag(s) @ v.mT, a)
    u, s, v = layer.pca_lowrank(a, 3)
    assert layer.allclose(u @ layer.diag(s) @ v.mT, a - a.mean(0))


@pytest.mark.oracle
def test_recorded_outcomes_are_those_of_the_installed_pytorch() -> None:
    torch = pytest.importorskip("torch")
    __import__("torch.utils.checkpoint")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {one: difference(outcome(torch, one), OUTCOMES[one]) for one in PROGRAMS}
    assert {one: text for one, text in found.items() if text} == {}


def record() -> None:
    """Write what the installed PyTorch gives."""
    import torch  # noqa: PLC0415  # only here is PyTorch needed
    import torch.utils.checkpoint  # noqa: PLC0415  # as above

    found = {program: outcome(torch, program) for program in PROGRAMS}
    recorded = {"torch": torch.__version__.split("+")[0], "outcomes": found}
    RECORDED.write_text(json.dumps(recorded, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
