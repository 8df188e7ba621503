"""NumPy 위에서 PyTorch 방식으로 하는 자동 미분.

import 문을 `import torch`로 바꾸면 PyTorch에서 그대로 실행되며,
메모리 주소를 제외하고 같은 결과를 출력합니다. `import torch`를 그대로 두고
`python -m funcgrad.compat.torch <파일>`로 실행할 수도 있습니다.
"""

from funcgrad.compat import torch

# --- 한 층짜리 신경망 -------------------------------------------------------------------------

torch.manual_seed(0)
x = torch.ones(5)  # 입력
y = torch.zeros(3)  # 기대하는 출력
w = torch.randn(5, 3, requires_grad=True)  # 학습할 가중치
b = torch.randn(3, requires_grad=True)  # 학습할 편향
z = torch.matmul(x, w) + b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)

# 모든 결과는 자신을 만든 연산을 기억합니다.
print(f"Gradient function for z = {z.grad_fn}")
print(f"Gradient function for loss = {loss.grad_fn}")

# --- 변화도(gradient) 계산 ---------------------------------------------------------------------

loss.backward()
print(w.grad)
print(b.grad)

# --- 연산 기록 끄기 ----------------------------------------------------------------------------

z = torch.matmul(x, w) + b
print(z.requires_grad)

with torch.no_grad():  # 이 블록 안의 연산은 기록하지 않습니다.
    z = torch.matmul(x, w) + b
print(z.requires_grad)

z = torch.matmul(x, w) + b
z_det = z.detach()  # 값은 같지만 그래프에서 분리된 텐서
print(z_det.requires_grad)

# --- 축이 있는 출력: 야코비안과 벡터의 곱 --------------------------------------------------------

inp = torch.eye(4, 5, requires_grad=True)
out = (inp + 1).pow(2).t()
out.backward(torch.ones_like(out), retain_graph=True)
print(f"First call\n{inp.grad}")
out.backward(torch.ones_like(out), retain_graph=True)
print(f"\nSecond call\n{inp.grad}")  # 변화도는 누적됩니다.
inp.grad.zero_()
out.backward(torch.ones_like(out), retain_graph=True)
print(f"\nCall after zeroing gradients\n{inp.grad}")
