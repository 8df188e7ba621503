"""`gradcheck`: derivatives of the graph against central differences, Jacobian by Jacobian."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch.autograd import forward_ad
from funcgrad.compat.torch.autograd_core import grad
from funcgrad.compat.torch.complexes import view_as_complex
from funcgrad.compat.torch.constructors import empty
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.grad_mode import enable_grad
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative is not what differences say."""


def _tuple_of(values: Any) -> tuple[Any, ...]:
    return (values,) if isinstance(values, Tensor) else tuple(values)


def _is_active(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _is_inexact(x: Any) -> bool:
    return isinstance(x, Tensor) and x.dtype.category >= 2


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the derivatives of a function with central differences (f(x + ε) - f(x - ε)) / 2ε.

    Args:
        func: function of tensors that returns a tensor or several.
        inputs: its arguments; those that require grad are checked.
        eps: the step ε.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: whether a mismatch raises, in place of returning `False`.
        nondet_tol: how far two backward passes may differ.
        check_undefined_grad: accepted; a cotangent of zero is always checked.
        check_grad_dtypes: whether gradients must have the types of their inputs.
        check_batched_grad: whether to check a backward of a batch of cotangents.
        check_batched_forward_grad: as `check_forward_ad`; forward mode is linear in its tangents.
        check_forward_ad: whether to check forward mode, too.
        check_backward_ad: whether to check backward.
        fast_mode: accepted; whole Jacobians are always compared.
        masked: accepted.

    Raises:
        GradcheckError: at a mismatch.
        ValueError: if no input requires grad.
    """
    del masked, fast_mode, check_undefined_grad
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    if check_batched_grad and not check_backward_ad:
        raise AssertionError(
            "Setting check_batched_grad=True requires check_backward_ad to be True"
        )
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError(
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True"
        )
    args = _tuple_of(inputs)
    _check_inputs(args)
    check = _Check(func, args, eps, atol, rtol)
    try:
        if check_forward_ad:
            check.forward()
        if check_backward_ad:
            check.backward(nondet_tol, check_grad_dtypes)
        if check_batched_grad:
            check.batched()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check_inputs(args: Sequence[Any]) -> None:
    active = False
    for number, x in enumerate(args):
        if not _is_active(x):
            continue
        active = True
        if x.dtype.name not in ("float64", "complex128"):
            warnings.warn(
                f"Input #{number} requires gradient and is not a double precision floating point "
                "or complex. This check will likely fail if all the inputs are not of double "
                "precision floating point or complex. ",
                stacklevel=3,
            )
    if not active:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )


class _Check:
    """The function, its point and its Jacobians by differences."""

    def __init__(
        self, func: Callable[..., Any], args: tuple[Any, ...], eps: float, atol: float, rtol: float
    ) -> None:
        self.func = func
        self.args = args
        self.eps = eps
        self.atol = atol
        self.rtol = rtol
        self.active = [number for number, x in enumerate(args) if _is_active(x)]
        with enable_grad():
            self.all_outputs = _tuple_of(func(*args))
        self.outputs = [out for out in self.all_outputs if _is_active(out)]
        self.places = [
            number
            for number, out in enumerate(self.all_outputs)
            if (_is_active(out) if self.outputs else _is_inexact(out))
        ]
        self.differences = {number: self._difference(number) for number in self.active}

    def _values(self, args: Sequence[Any]) -> list[Any]:
        outs = _tuple_of(self.func(*args))
        return [np.array(outs[place].detach().numpy()).reshape(-1) for place in self.places]

    def _difference(self, number: int) -> list[list[Any]]:
        """For each output the Jacobian (input, output) by the real part, and by the imaginary."""
        x = self.args[number].detach()
        flat = np.array(x.numpy()).reshape(-1)
        steps = [self.eps] + ([self.eps * 1j] if flat.dtype.kind == "c" else [])
        found: list[list[Any]] = []
        for step in steps:
            rows: list[list[Any]] = []
            for i in range(flat.size):
                moved = []
                for sign in (1, -1):
                    shifted = flat.copy()
                    shifted[i] += sign * step
                    tensor = made(shifted.reshape(tuple(x.shape)), x.dtype)
                    args = list(self.args)
                    args[number] = tensor.requires_grad_()
                    moved.append(self._values(args))
                rows.append([(a - b) / (2 * self.eps) for a, b in zip(*moved, strict=True)])
            found.append([
                np.stack([row[k] for row in rows]) if rows else np.zeros((0, 0))
                for k in range(len(self.places))
            ])  # fmt: skip
        return found

    def backward(self, nondet_tol: float, check_dtypes: bool) -> None:
        """Compare Jacobians of backward."""
        if not self.outputs:
            self._expect_zero()
            return
        for k, out in enumerate(self.outputs):
            parts = [(1, "")] if out.dtype.category == 2 else _COMPLEX
            for unit, what in parts:
                first = self._pulled(out, unit, check_dtypes)
                again = self._pulled(out, unit, check_dtypes)
                for number in self.active:
                    analytical = first[number]
                    numerical = _numerical(self.differences[number], k, unit)
                    self._compare(numerical, analytical, k, number, what, "")
                    if np.any(np.abs(analytical - again[number]) > nondet_tol):
                        raise GradcheckError(
                            "Backward is not reentrant, i.e., running backward with same input and "
                            "grad_output multiple times gives different values, although "
                            "analytical gradient matches numerical gradient."
                            f"The tolerance for nondeterminism was {nondet_tol}."
                        )

    def _expect_zero(self) -> None:
        for number in self.active:
            for jacobian in self.differences[number]:
                if any(np.any(np.abs(part) > self.atol) for part in jacobian):
                    raise GradcheckError("Numerical gradient for function expected to be zero")

    def _pulled(self, out: Any, unit: Any, check_dtypes: bool) -> dict[int, Any]:
        """Jacobians (input, output) of one output, a backward for each of its elements."""
        ins = [self.args[number] for number in self.active]
        columns: dict[int, list[Any]] = {number: [] for number in self.active}
        for j in range(out.numel()):
            seed = np.zeros(out.numel(), out._value.dtype)
            seed[j] = unit
            ct = made(seed.reshape(tuple(out.shape)), out.dtype)
            gradients = grad([out], ins, [ct], retain_graph=True, allow_unused=True)
            for number, x, gradient in zip(self.active, ins, gradients, strict=True):
                if gradient is None:
                    columns[number].append(np.zeros(x.numel(), x._value.dtype))
                    continue
                if gradient.shape != x.shape:
                    raise GradcheckError("Analytical gradient has incorrect size")
                if check_dtypes and gradient.dtype is not x.dtype:
                    raise GradcheckError("Backward gradient has incorrect dtype")
                columns[number].append(np.array(gradient.detach().numpy()).reshape(-1))
        return {
            number: np.stack(columns[number], axis=1)
            if columns[number]
            else np.zeros((x.numel(), 0))
            for number, x in zip(self.active, ins, strict=True)
        }

    def forward(self) -> None:
        """Compare Jacobians of forward mode."""
        for number in self.active:
            x = self.args[number].detach()
            units = [(1, "")] if x.dtype.category == 2 else [(1, ""), (1j, "")]
            for part, (unit, what) in enumerate(units):
                columns = [self._pushed(number, x, i, unit) for i in range(x.numel())]
                for k in range(len(self.places)):
                    rows = [column[k] for column in columns]
                    analytical = np.stack(rows) if rows else np.zeros((0, 0))
                    self._compare(
                        self.differences[number][part][k], analytical, k, number, what,
                        "computed with forward mode ",
                    )  # fmt: skip

    def _pushed(self, number: int, x: Any, i: int, unit: Any) -> list[Any]:
        seed = np.zeros(x.numel(), x._value.dtype)
        seed[i] = unit
        args = [arg.detach() if isinstance(arg, Tensor) else arg for arg in self.args]
        with forward_ad.dual_level():
            args[number] = forward_ad.make_dual(x, made(seed.reshape(tuple(x.shape)), x.dtype))
            outs = _tuple_of(self.func(*args))
            found = []
            for place in self.places:
                primal, tangent = forward_ad.unpack_dual(outs[place])
                value = np.zeros(primal.numel(), primal._value.dtype)
                if tangent is not None:
                    value = np.array(tangent.detach().numpy()).reshape(-1)
                found.append(value)
        return found

    def batched(self) -> None:
        """Compare a backward of a batch of cotangents with one for each."""
        generator = np.random.Generator(np.random.PCG64(0))
        ins = [self.args[number] for number in self.active]
        for out in self.outputs:
            cts = generator.standard_normal((2, *out.shape)).astype(out._value.dtype)
            together = grad(
                [out], ins, [made(cts)], retain_graph=True, allow_unused=True, is_grads_batched=True
            )
            for i in range(2):
                single = grad(
                    [out], ins, [made(cts[i].copy())], retain_graph=True, allow_unused=True
                )
                for one, both in zip(single, together, strict=True):
                    if one is not None and not np.allclose(
                        one.numpy(), both.numpy()[i], self.rtol, self.atol
                    ):
                        raise GradcheckError(
                            "While testing batched gradients: Batched gradient and per-example "
                            f"gradients do not match: {both[i]} and {one}."
                        )

    def _compare(
        self, numerical: Any, analytical: Any, output: int, number: int, what: str, how: str
    ) -> None:
        if np.allclose(analytical, numerical, self.rtol, self.atol):
            return
        shown = self.args[number].dtype
        kind = shown.numpy if not np.iscomplexobj(numerical) else None
        raise GradcheckError(
            f"{what}Jacobian {how}mismatch for output {output} with respect to input {number},\n"
            f"numerical:{_shown(numerical, kind)}\nanalytical:{_shown(analytical, kind)}\n"
        )


_COMPLEX = [
    (1j, "While considering the imaginary part of complex outputs only, "),
    (1, "While considering the real part of complex outputs only, "),
]


def _numerical(jacobians: list[list[Any]], k: int, unit: Any) -> Any:
    """What backward gives for the real (or imaginary) part of an output, by differences.

    PyTorch's gradient of a real u by z = x + iy is ∂u/∂x + i ∂u/∂y.
    """
    parts = [np.real(j[k]) if unit == 1 else np.imag(j[k]) for j in jacobians]
    return parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]


def _shown(jacobian: Any, kind: Any) -> Tensor:
    values = jacobian if kind is None or np.iscomplexobj(jacobian) else jacobian.astype(kind)
    return made(np.array(values))


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compare second derivatives with differences of first ones; see `gradcheck`.

    Args:
        func: function of tensors that returns a tensor or several.
        inputs: its arguments.
        grad_outputs: cotangents of the results; random ones by default.
        eps: the step.
        atol: absolute tolerance.
        rtol: relative tolerance.
        gen_non_contig_grad_outputs: accepted.
        raise_exception: whether a mismatch raises.
        nondet_tol: how far two backward passes may differ.
        check_undefined_grad: accepted.
        check_grad_dtypes: whether gradients must have the types of their inputs.
        check_batched_grad: whether to check a backward of a batch of cotangents.
        check_fwd_over_rev: accepted; backward over backward is checked.
        check_rev_over_rev: as above.
        fast_mode: accepted.
        masked: accepted.
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError(
            "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True"
        )
    del gen_non_contig_grad_outputs
    args = _tuple_of(inputs)
    outputs = [out for out in _tuple_of(func(*args)) if _is_active(out)]
    cts = _given_or_random(grad_outputs, outputs)
    count = len(cts)

    def gradients(*values: Any) -> tuple[Any, ...]:
        given = [
            x if _is_active(x) or not _is_active(arg) else x.detach().requires_grad_()
            for x, arg in zip(values[:-count], args, strict=True)
        ]
        outs = [out for out in _tuple_of(func(*given)) if _is_active(out)]
        active = [x for x in given if _is_active(x)]
        found = grad(outs, active, list(values[-count:]), create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        (*args, *cts),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
        masked=masked,
    )


def _given_or_random(given: Any, outputs: Iterable[Any]) -> list[Any]:
    if given is not None:
        return list(_tuple_of(given))
    found = []
    for out in outputs:
        pairs = (2,) if out.dtype.is_complex else ()
        kind = out.dtype.to_real() if pairs else out.dtype
        parts = empty((*out.shape, *pairs), dtype=kind).uniform_(-1, 1)
        found.append((view_as_complex(parts) if pairs else parts).requires_grad_())
    return found
