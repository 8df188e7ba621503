"""Which arguments PyTorch takes as tensors, and how it refuses others: recorded from 2.13.

A row is the name of a function, then a word for each argument that is a tensor:

    name        as its messages call it, if that differs: `=other`
                `!`: written in Python, so that keywords are shown with their positions
                `+`: of several signatures, which a wrong keyword makes it list
    mat2:2      must be Tensor; its name and position; `0=mat2:2` where the layer's name differs
    0*          the argument at 0: of several signatures, none of which fits
    0.size      the argument at 0 is asked for its `size`, whatever it is
    ?  #  [  &  after these: `None` is taken, numbers are, it is a sequence of tensors, it is all
                arguments from there on

Functions without a row have one tensor, `input:1`. Methods have those of the function but the
first, one position earlier, unless they have a row of their own.

`python -m tests.compat.torch.argument_db`, where PyTorch is installed, compares both.
"""

__all__ = ["ROWS"]

ROWS = """
add input:1# other:2#
addbmm input:1 batch1:2 batch2:3
addcdiv input:1 tensor1:2 tensor2:3
addcmul input:1 tensor1:2 tensor2:3
addmm+ 0* 1* 2*
addmv input:1 mat:2 vec:3
addr input:1 vec1:2 vec2:3
all+ 0*
allclose input:1 other:2
any+ 0*
argsort+ input:1
as_strided_scatter input:1 src:2
atan2 input:1 other:2
atleast_1d! 0*
atleast_2d! 0*
atleast_3d! 0*
baddbmm+ 0* 1* 2*
bernoulli+ input:1
bincount input:1 weights?
bitwise_and+ 0*# 1*#
bitwise_left_shift+ 0*# 1*#
bitwise_or+ 0*# 1*#
bitwise_right_shift+ 0*# 1*#
bitwise_xor+ 0*# 1*#
block_diag tensors:1[&
bmm+ input:1 mat2:2
broadcast_tensors tensors:1[&
bucketize 0*# 1*
cartesian_prod tensors:1[&
cat tensors:1[
cdist! x1:1 x2:2
cholesky_solve input:1 input2:2
clamp+ 0* 1*?# 2*?#
clamp_max+ 0* 1*#
clamp_min+ 0* 1*#
column_stack tensors:1[
complex real:1 imag:2
copysign+ 0* 1*#
count_nonzero+ 0*
cov input:1 aweights? fweights?
cross input:1 other:2
cumulative_trapezoid+ 0* 1*
diagonal_scatter input:1 src:2
diff input:1 prepend:4? append:5?
dist input:1 other:2
div+ input:1# other:2#
dot input:1 tensor:2
dsplit+ 0*
dstack tensors:1[
einsum 1=operands:2[&
eq+ 0* 1*#
equal input:1 other:2
fft.fft=fft_fft input:1
fft.fft2=fft_fft2 input:1
fft.fftn=fft_fftn input:1
fft.fftshift=fft_fftshift input:1
fft.hfft=fft_hfft input:1
fft.hfft2=fft_hfft2 input:1
fft.hfftn=fft_hfftn input:1
fft.ifft=fft_ifft input:1
fft.ifft2=fft_ifft2 input:1
fft.ifftn=fft_ifftn input:1
fft.ifftshift=fft_ifftshift input:1
fft.ihfft=fft_ihfft input:1
fft.ihfft2=fft_ihfft2 input:1
fft.ihfftn=fft_ihfftn input:1
fft.irfft=fft_irfft input:1
fft.irfft2=fft_irfft2 input:1
fft.irfftn=fft_irfftn input:1
fft.rfft=fft_rfft input:1
fft.rfft2=fft_rfft2 input:1
fft.rfftn=fft_rfftn input:1
fill+ 0*
float_power+ 0*# 1*#
floor_divide 0*# 1*#
fmax input:1 other:2
fmin input:1 other:2
fmod+ 0* 1*#
gather input:1 index:3
gcd input:1 other:2
ge+ 0* 1*#
gradient+ 0*
grid_sampler_2d input:1 grid:2
grid_sampler_3d input:1 grid:2
gt+ 0* 1*#
heaviside input:1 values:2
histogram+ 0* 1*# weight*?
histogramdd 0* 1*# weight*?
hsplit+ 0*
hstack tensors:1[
hypot input:1 other:2
igamma input:1 other:2
igammac input:1 other:2
index_add input:1 index:3 source:4
index_copy input:1 index:3 source:4
index_fill+ 0* 2* 3*#
index_put input:1 indices:2[ values:3
index_reduce input:1 index:3 source:4
index_select input:1 index:3
inner input:1 other:2
isclose input:1 other:2
isin+ 0*# 1*#
kron input:1 other:2
lcm input:1 other:2
ldexp input:1 other:2
le+ 0* 1*#
lerp+ 0* 1* 2*#
linalg.cholesky=linalg_cholesky input:1
linalg.cholesky_ex=linalg_cholesky_ex input:1
linalg.cond=linalg_cond+ input:1
linalg.cross=linalg_cross input:1 other:2
linalg.det=linalg_det A:1
linalg.diagonal=linalg_diagonal A:1
linalg.eig=linalg_eig input:1
linalg.eigh=linalg_eigh input:1
linalg.eigvals=linalg_eigvals input:1
linalg.eigvalsh=linalg_eigvalsh input:1
linalg.householder_product=linalg_householder_product input:1 tau:2
linalg.inv=linalg_inv A:1
linalg.inv_ex=linalg_inv_ex A:1
linalg.ldl_factor=linalg_ldl_factor input:1
linalg.ldl_factor_ex=linalg_ldl_factor_ex input:1
linalg.ldl_solve=linalg_ldl_solve LD:1 pivots:2 B:3
linalg.lstsq=linalg_lstsq input:1 b:2
linalg.lu=linalg_lu A:1
linalg.lu_factor=linalg_lu_factor A:1
linalg.lu_factor_ex=linalg_lu_factor_ex A:1
linalg.lu_solve=linalg_lu_solve LU:1 pivots:2 B:3
linalg.matrix_norm=linalg_matrix_norm+ 0*
linalg.matrix_power=linalg_matrix_power input:1
linalg.matrix_rank=linalg_matrix_rank+ 0*
linalg.multi_dot=linalg_multi_dot tensors:1[
linalg.norm=linalg_norm+ 0*
linalg.pinv=linalg_pinv+ 0* rtol*?# 1*#
linalg.qr=linalg_qr A:1
linalg.slogdet=linalg_slogdet A:1
linalg.solve=linalg_solve A:1 B:2
linalg.solve_ex=linalg_solve_ex A:1 B:2
linalg.solve_triangular=linalg_solve_triangular input:1 B:2
linalg.svd=linalg_svd A:1
linalg.svdvals=linalg_svdvals A:1
linalg.tensorinv=linalg_tensorinv input:1
linalg.tensorsolve=linalg_tensorsolve input:1 other:2
linalg.vander=linalg_vander x:1
linalg.vecdot=linalg_vecdot x:1 y:2
linalg.vector_norm=linalg_vector_norm input:1
linspace+ 0*# 1*#
logaddexp input:1 other:2
logaddexp2 input:1 other:2
logical_and input:1 other:2
logical_or input:1 other:2
logical_xor input:1 other:2
logspace+ 0*# 1*#
lt+ 0* 1*#
lu=_lu_with_info! input:1
lu_solve input:1 LU_data:2 LU_pivots:3
lu_unpack LU_data:1 LU_pivots:2
masked.amax! 0.dtype mask.shape?
masked.amin! 0.dtype mask.shape?
masked.argmax! 0.dtype mask.shape?
masked.argmin! 0.dtype mask.shape?
masked.cumprod! 0.dtype mask.shape?
masked.cumsum! 0.dtype mask.shape?
masked.log_softmax! 0.dtype mask.shape?
masked.logaddexp! 0.dtype 1.layout input_mask.shape? other_mask.shape?
masked.logsumexp! 0.dtype mask.shape?
masked.mean! 0.dtype mask.shape?
masked.median! 0.dtype mask.shape?
masked.norm! 0.dtype mask.shape?
masked.normalize! 0.dtype
masked.prod! 0.layout mask.shape?
masked.softmax! 0.dtype mask.shape?
masked.softmin! 0.dtype mask.shape?
masked.std! 0.dtype mask.shape?
masked.sum! 0.layout mask.shape?
masked.var! 0.dtype mask.shape?
masked_fill+ 0* 1* 2*#
masked_scatter input:1 mask:2 source:3
masked_select input:1 mask:2
matmul input:1 other:2
max+ 0* 1*
maximum input:1 other:2
mean+ 0*
meshgrid tensors:1[&
min+ 0* 1*
minimum input:1 other:2
mm+ input:1 mat2:2
movedim+ 0*
mul input:1# other:2#
mv input:1 vec:2
nanquantile+ 0* 1*
narrow+ 0* 2*#
native_batch_norm input:1 weight:2? bias:3? running_mean:4? running_var:5?
native_group_norm input:1 weight:2? bias:3?
native_layer_norm input:1 weight:3? bias:4?
ne+ 0* 1*#
nextafter input:1 other:2
nn.functional.adaptive_avg_pool2d! 0.size
nn.functional.adaptive_avg_pool3d! 0.size
nn.functional.adaptive_max_pool1d! input:1
nn.functional.adaptive_max_pool2d! 0.size
nn.functional.adaptive_max_pool3d! 0.size
nn.functional.alpha_dropout! input:1
nn.functional.batch_norm! input:1 running_mean:4? running_var:5? weight:2? bias:3?
nn.functional.bilinear input1:1 input2:2 weight:3 bias:4?
nn.functional.binary_cross_entropy! 0.size 1.size weight.size?
nn.functional.binary_cross_entropy_with_logits! 0.size 1.size weight:3? pos_weight:4?
nn.functional.celu! input:1
nn.functional.conv1d+ 0* 1* 2*?
nn.functional.conv2d+ 0* 1* 2*?
nn.functional.conv3d+ 0* 1* 2*?
nn.functional.conv_transpose1d input:1 weight:2 bias:3?
nn.functional.conv_transpose2d input:1 weight:2 bias:3?
nn.functional.conv_transpose3d input:1 weight:2 bias:3?
nn.functional.cosine_embedding_loss! input1:1 input2:2 target:3
nn.functional.cosine_similarity x1:1 x2:2
nn.functional.cross_entropy=cross_entropy_loss! input:1 target:2 weight:3?
nn.functional.ctc_loss! 0* 1* 2* 3*
nn.functional.dropout! input:1
nn.functional.dropout2d! 0.dim
nn.functional.dropout3d! 0.dim
nn.functional.elu! input:1
nn.functional.embedding! 0=indices:2 1=weight:1
nn.functional.embedding_bag! 0.dim 1.dtype offsets.dim per_sample_weights.size?
nn.functional.feature_alpha_dropout! input:1
nn.functional.fractional_max_pool2d! 0.dim _random_samples=random_samples:4?
nn.functional.fractional_max_pool3d! 0.dim
nn.functional.gaussian_nll_loss! 0.size
nn.functional.glu! 0.dim
nn.functional.grid_sample=grid_sampler! input:1 grid:2
nn.functional.group_norm! 0.dim weight:3? bias:4?
nn.functional.hardsigmoid! input:1
nn.functional.hardswish! input:1
nn.functional.hardtanh! input:1
nn.functional.hinge_embedding_loss! input:1 target:2
nn.functional.huber_loss! 0.size 1.size
nn.functional.instance_norm! 0.size running_mean:4? running_var:5? weight:2? bias:3?
nn.functional.interpolate! 0.dim
nn.functional.kl_div! input:1 target:2
nn.functional.l1_loss! 0.size 1.size
nn.functional.layer_norm! input:1 weight:3? bias:4?
nn.functional.leaky_relu! input:1
nn.functional.linear input:1 weight:2 bias:3?
nn.functional.linear_cross_entropy! 0.dim 1.dim 2.shape
nn.functional.local_response_norm! 0.dim
nn.functional.log_softmax! 0.log_softmax
nn.functional.logsigmoid=log_sigmoid input:1
nn.functional.margin_ranking_loss! 0.dim 1.dim 2.dim
nn.functional.max_unpool1d! 0.size 1.unsqueeze
nn.functional.max_unpool2d! 0.size indices:2
nn.functional.max_unpool3d! 0.size indices:2
nn.functional.mish! input:1
nn.functional.mse_loss! 0.size 1.size
nn.functional.multi_head_attention_forward! 0.dim 1.dim 2.dim
nn.functional.multi_margin_loss! input:1 target:2 weight.dim?
nn.functional.multilabel_margin_loss! input:1 target:2
nn.functional.multilabel_soft_margin_loss=log_sigmoid! input:1
nn.functional.nll_loss=nll_loss_nd! input:1 target:2 weight:3?
nn.functional.normalize! 0.norm
nn.functional.pad! input:1
nn.functional.pairwise_distance x1:1 x2:2
nn.functional.poisson_nll_loss! input:1 target:2
nn.functional.prelu input:1 weight weight:2
nn.functional.relu! input:1
nn.functional.relu6! input:1
nn.functional.rms_norm! input:1 weight:3?
nn.functional.rrelu! input:1
nn.functional.scaled_dot_product_attention query:1 key:2 value:3 attn_mask?
nn.functional.selu! input:1
nn.functional.sigmoid! 0.sigmoid
nn.functional.silu! input:1
nn.functional.smooth_l1_loss! 0.size 1.size
nn.functional.soft_margin_loss! input:1 target:2
nn.functional.softmax! 0.softmax
nn.functional.softsign! 0.abs
nn.functional.tanh! 0.tanh
nn.functional.tanhshrink! 0.tanh
nn.functional.threshold! input:1
nn.functional.triplet_margin_loss! anchor:1 positive:2 negative:3
nn.functional.triplet_margin_with_distance_loss! 0.ndim 1.ndim 2.ndim
nn.functional.unfold=im2col! input:1
nn.functional.upsample_bilinear! 0.dim
nn.functional.upsample_nearest! 0.dim
norm! 0.layout
normal+ 0*# 1*#
ormqr input:1 input2:2 input3:3
outer input:1 vec2:2
polar abs:1 angle:2
pow+ 0*# 1*#
prod+ input:1
put input:1 index:2 source:3
quantile+ 0* 1*
rand_like+ 0*
randint_like+ 0*
randn_like+ 0*
remainder+ 0*# 1*#
repeat_interleave+ 0* repeats*#
resize_as_ input:1 the_template:2
round+ input:1
rsub+ 0* 1*#
scatter+ 0* 2* 3*#
scatter_add input:1 index:3 src:4
scatter_reduce input:1 index:3 src:4
searchsorted+ 0* 1*# sorter*?
select_scatter input:1 src:2
slice_scatter input:1 src:2
sort+ 0*
sparse.mm=_sparse_mm+ sparse:1 dense:2
sparse.sampled_addmm=sparse_sampled_addmm input:1 mat1:2 mat2:3
special.airy_ai=special_airy_ai x:1
special.bessel_j0=special_bessel_j0 input:1
special.bessel_j1=special_bessel_j1 input:1
special.bessel_y0=special_bessel_y0 input:1
special.bessel_y1=special_bessel_y1 input:1
special.chebyshev_polynomial_t=special_chebyshev_polynomial_t+ 0*# 1*#
special.chebyshev_polynomial_u=special_chebyshev_polynomial_u+ 0*# 1*#
special.chebyshev_polynomial_v=special_chebyshev_polynomial_v+ 0*# 1*#
special.chebyshev_polynomial_w=special_chebyshev_polynomial_w+ 0*# 1*#
special.entr=special_entr input:1
special.erfcx=special_erfcx input:1
special.hermite_polynomial_h=special_hermite_polynomial_h+ 0*# 1*#
special.hermite_polynomial_he=special_hermite_polynomial_he+ 0*# 1*#
special.i0e=special_i0e input:1
special.i1=special_i1 input:1
special.i1e=special_i1e input:1
special.laguerre_polynomial_l=special_laguerre_polynomial_l+ 0*# 1*#
special.legendre_polynomial_p=special_legendre_polynomial_p+ 0*# 1*#
special.log_ndtr=special_log_ndtr input:1
special.modified_bessel_i0=special_modified_bessel_i0 input:1
special.modified_bessel_i1=special_modified_bessel_i1 input:1
special.modified_bessel_k0=special_modified_bessel_k0 input:1
special.modified_bessel_k1=special_modified_bessel_k1 input:1
special.ndtr=special_ndtr input:1
special.ndtri=special_ndtri input:1
special.scaled_modified_bessel_k0=special_scaled_modified_bessel_k0 x:1
special.scaled_modified_bessel_k1=special_scaled_modified_bessel_k1 x:1
special.shifted_chebyshev_polynomial_t=special_shifted_chebyshev_polynomial_t+ 0*# 1*#
special.shifted_chebyshev_polynomial_u=special_shifted_chebyshev_polynomial_u+ 0*# 1*#
special.shifted_chebyshev_polynomial_v=special_shifted_chebyshev_polynomial_v+ 0*# 1*#
special.shifted_chebyshev_polynomial_w=special_shifted_chebyshev_polynomial_w+ 0*# 1*#
special.spherical_bessel_j0=special_spherical_bessel_j0 x:1
special.xlog1py=special_xlog1py+ 0*# 1*#
special.zeta=special_zeta+ 0*# 1*#
split! 0.split
squeeze+ 0*
squeeze_copy+ input:1
stack tensors:1[
std+ 0*
std_mean+ 0*
stft! 0* window*?
sub input:1# other:2#
sum+ input:1
take input:1 index:2
take_along_dim input:1 indices:2
tensor_split+ 0* 1*#
tensordot! input:1 other:2
trapezoid+ 0* 1*
trapz+ 0* 1*
triangular_solve input:1 A:2
true_divide 0*# 1*#
unique=_unique2! input:1
unique_consecutive! input:1
unravel_index! 0.is_complex
var+ 0*
var_mean+ 0*
vdot input:1 other:2
view_copy+ 0*
vsplit+ 0*
vstack tensors:1[
where 0* 1*# 2*#
xlogy+ 0*# 1*#
Tensor.addbmm+ batch1:1 batch2:2
Tensor.addmm+ mat1:1 mat2:2
Tensor.addmv+ mat:1 vec:2
Tensor.baddbmm+ batch1:1 batch2:2
Tensor.bmm mat2:1
Tensor.copy_ other:1#
Tensor.expand_as other:1
Tensor.floor_divide+ 1*#
Tensor.histogram 1*# weight*?
Tensor.max 1*
Tensor.min 1*
Tensor.mm mat2:1
Tensor.nonzero+
Tensor.reshape_as other:1
Tensor.resize_as_ the_template:1
Tensor.set_+ 1*
Tensor.stft! window*?
Tensor.true_divide+ 1*#
Tensor.type_as other:1
Tensor.view+
Tensor.view_as other:1
Tensor.where+ 1* 2*#
"""
