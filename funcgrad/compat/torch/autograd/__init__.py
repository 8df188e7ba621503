"""`torch.autograd`: backward, gradients, and functions with derivatives of the user's own."""

from funcgrad.compat.torch import grad_hooks as _grad_hooks
from funcgrad.compat.torch.autograd import forward_ad as forward_ad
from funcgrad.compat.torch.autograd import function as function
from funcgrad.compat.torch.autograd import functional as functional
from funcgrad.compat.torch.autograd import functional_function as _functional_function
from funcgrad.compat.torch.autograd import graph as graph
from funcgrad.compat.torch.autograd import profiler as profiler
from funcgrad.compat.torch.autograd import variable as variable
from funcgrad.compat.torch.autograd.anomaly import detect_anomaly as detect_anomaly
from funcgrad.compat.torch.autograd.anomaly import set_detect_anomaly as set_detect_anomaly
from funcgrad.compat.torch.autograd.function import Function as Function
from funcgrad.compat.torch.autograd.gradcheck import GradcheckError as GradcheckError
from funcgrad.compat.torch.autograd.gradcheck import gradcheck as gradcheck
from funcgrad.compat.torch.autograd.gradcheck import gradgradcheck as gradgradcheck
from funcgrad.compat.torch.autograd.variable import Variable as Variable
from funcgrad.compat.torch.autograd_core import backward as backward
from funcgrad.compat.torch.autograd_core import grad as grad
from funcgrad.compat.torch.grad_mode import enable_grad as enable_grad
from funcgrad.compat.torch.grad_mode import inference_mode as inference_mode
from funcgrad.compat.torch.grad_mode import no_grad as no_grad
from funcgrad.compat.torch.grad_mode import set_grad_enabled as set_grad_enabled

del _functional_function, _grad_hooks
