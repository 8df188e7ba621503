"""The functions of NumPy 2.4 that are meaningful to differentiate, aliases counted."""

__all__ = ["CONSTRUCTORS", "NAMES"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES: tuple[str, ...] = _words("""
    abs absolute acos acosh add amax amin angle append apply_along_axis apply_over_axes arccos
    arccosh arcsin arcsinh arctan arctan2 arctanh array array_split asanyarray asarray
    asarray_chkfinite ascontiguousarray asfortranarray asin asinh astype atan atan2 atanh
    atleast_1d atleast_2d atleast_3d average bincount block broadcast_arrays broadcast_to cbrt
    choose clip column_stack compress concat concatenate conj conjugate convolve copy copysign
    corrcoef correlate cos cosh cov cross cumprod cumsum cumulative_prod cumulative_sum deg2rad
    degrees delete diag diagflat diagonal diff divide divmod dot dsplit dstack ediff1d einsum exp
    exp2 expand_dims expm1 extract fabs flip fliplr flipud float_power fmax fmin fmod fromfunction
    full full_like geomspace gradient histogram hsplit hstack hypot i0 imag inner insert interp
    kron ldexp linspace log log10 log1p log2 logaddexp logaddexp2 logspace matmul matrix_transpose
    matvec max maximum mean median meshgrid min minimum mod modf moveaxis multiply nan_to_num
    nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd
    nansum nanvar negative outer pad partition percentile permute_dims piecewise poly polyadd
    polyder polydiv polyfit polyint polymul polysub polyval positive pow power prod ptp quantile
    rad2deg radians ravel real real_if_close reciprocal remainder repeat reshape resize roll
    rollaxis roots rot90 row_stack select sin sinc sinh sort sort_complex split sqrt square
    squeeze stack std subtract sum swapaxes take take_along_axis tan tanh tensordot tile trace
    transpose trapezoid tril trim_zeros triu true_divide unique unstack unwrap vander var vdot
    vecdot vecmat vectorize vsplit vstack where
    linalg.cholesky linalg.cond linalg.cross linalg.det linalg.diagonal linalg.eig linalg.eigh
    linalg.eigvals linalg.eigvalsh linalg.inv linalg.lstsq linalg.matmul linalg.matrix_norm
    linalg.matrix_power linalg.matrix_transpose linalg.multi_dot linalg.norm linalg.outer
    linalg.pinv linalg.qr linalg.slogdet linalg.solve linalg.svd linalg.svdvals linalg.tensordot
    linalg.tensorinv linalg.tensorsolve linalg.trace linalg.vecdot linalg.vector_norm
    fft.fft fft.fft2 fft.fftn fft.fftshift fft.hfft fft.ifft fft.ifft2 fft.ifftn fft.ifftshift
    fft.ihfft fft.irfft fft.irfft2 fft.irfftn fft.rfft fft.rfft2 fft.rfftn
    """)
"""216 of numpy, 30 of numpy.linalg, 16 of numpy.fft."""

CONSTRUCTORS: tuple[str, ...] = (
    "array",
    "asanyarray",
    "asarray",
    "asarray_chkfinite",
    "ascontiguousarray",
    "asfortranarray",
    "full",
    "vectorize",
)
"""Those that NumPy does not dispatch; `funcgrad.numpy` has them."""
