"""Programs about indices, scattering and writes in place."""

__all__ = ["INDEXING", "INPLACE"]

INDEXING = """
v[0]
v[-1]
v[5]
v[0, 0]
z[0]
z[...]
z[None]
z[()]
m[0]
m[0, 1]
m[:, 1]
m[1:, 0]
m[1:]
m[::2]
m[5:]
m[2:1]
m[-2:, ::3]
m[...]
m[:]
m[:, :]
m[..., 0]
m[0, ...]
m[None]
m[:, None]
m[0, :, None]
b[0, ..., 1]
b[..., None, 1:3]
b[:, 1][0]
m[::-1]
m[::0]
m['a']
m[1.0]
m[torch.tensor(1)]
m[torch.tensor(1), torch.tensor(2)]
m[:, torch.tensor(-1)]
v[True]
v[False]
v[None, True]
v[i]
m[i]
m[i, :]
m[:, i]
m[i, i]
m[i, 1]
m[1, i]
m[i[:, None], i]
m[j]
m[[0, 1]]
m[[0, 1], [1, 2]]
m[[0, 1], 1:]
m[range(2)]
m[[]]
m[[True, False, True]]
b[:, i]
b[i[:1], :, i[:1]]
b[0, :, i]
b[:, i, i]
b[:, i, 1]
b[..., i]
b[:, None, i]
b[None, :, i, 1:]
b[1, i]
m[i, None]
m[k]
m[k, 1]
m[k, 1:]
m[k, i]
m[m > 0]
m[m > 100]
b[:, k]
b[:, k, 0]
m[torch.tensor([True, False])]
m[torch.tensor([5])]
m[torch.tensor([-4])]
m[torch.tensor([-1, 0])]
m[i, torch.tensor([0, 1, 2])]
m[torch.tensor([.1])]
m[torch.tensor([0, 1, 1], dtype=torch.uint8)]
m[torch.tensor([0, 1], dtype=torch.int32)]
m[i, i, i]
n[i]
n[n > 5]
n[1:, 2]
c[0]
c[:, torch.tensor([0, 0])]
m.gather(1, j[:, :2])
torch.gather(m, 0, g[:, :4])
m.gather(1, torch.tensor([[5]]))
m.gather(1, torch.tensor([[1.0]]))
m.gather(1, torch.tensor([1]))
v.gather(0, torch.tensor([2, 2, 0, 1]))
z.gather(0, torch.tensor(0))
m.index_select(0, i)
torch.index_select(m, 1, torch.tensor([3, 3, 0]))
m.index_select(0, torch.tensor([5]))
m.index_select(0, torch.tensor([[0]]))
torch.take(m, j)
m.take(torch.tensor([-1, 5]))
m.take(torch.tensor([15]))
torch.take_along_dim(m, torch.tensor([[0], [1], [2]]), 1)
torch.take_along_dim(m, torch.tensor([0, 11]))
torch.take_along_dim(m, m.argsort(1), 1) if hasattr(m, 'argsort') else m
torch.masked_select(v, k)
m.masked_select(m > 0)
v.masked_select(torch.tensor([[True], [False]]))
torch.nonzero(torch.tensor([[0, 1], [2, 0]]))
torch.nonzero(torch.tensor([[0, 1], [2, 0]]), as_tuple=True)
torch.nonzero(torch.tensor(1))
torch.nonzero(torch.tensor(0))
torch.argwhere(v > 0)
torch.nonzero(v)
v.masked_fill(k, 0.0)
v.masked_fill(k, z)
m.masked_fill(k[:, None], -1)
v.masked_fill(torch.tensor([[True], [False]]), 2.0)
n.masked_fill(n > 5, 1)
v.masked_fill(torch.tensor([0, 1, 0]), 0.0)
v.masked_fill(k, v)
m.masked_scatter(m > 0, y)
v.masked_scatter(k, w)
v.masked_scatter(torch.tensor([True, True, True]), w[:2])
v.index_fill(0, i, 0.0)
m.index_fill(1, i, 2)
m.index_fill(1, i, z)
v.index_add(0, i, w[:2])
m.index_add(1, torch.tensor([0, 0]), y[:, :2])
m.index_add(0, i, y[:2], alpha=2)
m.index_add(0, i, y)
v.index_copy(0, i, w[:2])
m.index_copy(1, i, y[:, 1:3])
v.index_put((i,), w[:2])
m.index_put((i, i), w[:2])
m.index_put((torch.tensor([0, 0]),), y[:2], accumulate=True)
m.index_put((k,), z)
m.index_put((i,), w)
v.scatter(0, i, w[:2])
v.scatter(0, i, 1.0)
m.scatter(1, torch.tensor([[0, 1], [2, 3]]), y[:2, :2])
m.scatter(0, torch.tensor([[0, 1, 2, 0]]), b[0, :1])
n.scatter(1, j, n[:2, :2], reduce='add')
n.scatter(1, j, 3, reduce='multiply')
m.scatter(0, torch.tensor([[7]]), 1.0)
v.scatter_add(0, torch.tensor([0, 0, 2]), w)
m.scatter_add(1, j, y[:2, :2])
m.scatter_add(0, g, b[1, :2])
v.scatter_reduce(0, i, w[:2], 'sum')
v.scatter_reduce(0, torch.tensor([0, 0, 2]), w, 'prod')
v.scatter_reduce(0, torch.tensor([0, 0, 2]), w, 'mean')
v.scatter_reduce(0, torch.tensor([0, 0, 2]), w, 'amax')
v.scatter_reduce(0, torch.tensor([0, 0, 2]), w, 'amin', include_self=False)
v.scatter_reduce(0, torch.tensor([0, 0, 2]), w, 'mean', include_self=False)
v.scatter_reduce(0, torch.tensor([0, 0, 2]), w, 'sum', include_self=False)
m.scatter_reduce(1, j, y[:2, :2], 'prod', include_self=False)
torch.zeros(2, dtype=torch.float64).scatter_reduce(0, torch.tensor([0, 0, 0]), v * 0 + 1, 'amax')
m.index_reduce(0, i, y[:2], 'prod')
m.index_reduce(0, i, y[:2], 'amax', include_self=False)
v.put(i, w[:2])
m.put(torch.tensor([0, 0]), w[:2], accumulate=True)
m.put(torch.tensor([20]), w[:1])
2 in m, m[0, 0] in m, 'a' in m
1 in n
""".strip().splitlines()

INPLACE = """
v.mul_(2)
v[0] = 5
v[i] = 5
v[0:2].mul_(2)
v.detach()[0] = 7.0; v * v
torch.ones(3).expand(2, 3).add_(1)
y[0] = 5; y
y[0] = m[1]; y
y[0, 1] = v[0]; y
y[:, 0] = v; y
y[1:, ::2] = 1.5; y
y[...] = 2; y
y[:] = m; y
y[None, 0] = 3; y
y[0] = torch.ones(2); y
y[0, 0] = torch.ones(2); y
y[0] = torch.ones(1, 1, 4); y
y[0] = torch.ones(4, dtype=torch.float32); y
y[0] = 1 + 2j; y
y[0] = 'a'; y
y[5] = 1; y
y[i] = 5; y
y[i] = m[i]; y
y[k] = v[0]; y
y[k] = m[:2]; y
y[y > 0] = 0; y
y[:, i] = z; y
y[i, i] = w[:2]; y
y[0, i] = w[:2]; y
y[i, 1:3] = m[:2, :2]; y
y[i] = torch.ones(3); y
y[i] = torch.ones(4, dtype=torch.float32); y
y[i] = torch.tensor(1.0, dtype=torch.float32); y
y[torch.tensor([0, 0])] = m[:2]; y[1:]
y[[0, 1]] = 1; y
y[torch.tensor(1)] = 9; y
y[True] = 1; y
y[False] = 1; y
t = torch.zeros(3, 4, dtype=torch.float64); t[1] = m[0]; t
t = torch.zeros(3, 4, dtype=torch.float64); t[:, 1] = v; t[0] = m[0] * t[0]; t
t = torch.zeros(3, dtype=torch.float64); t[i] = w[:2]; t
t = torch.arange(4); t[1] = 2.7; t
t = torch.arange(4); t[1:] = torch.tensor([1.5, 2.5, 3.5]); t
t = torch.arange(4); t[t > 1] = 9; t
t = torch.zeros(3, 3); t[0, 0] = True; t
t = torch.zeros(2); t[0] = 1j; t
t = y[0:2]; t.add_(1); t
t = y[0:2]; t.add_(1); y
t = y[0:2]; t.mul_(m[1:]); y
t = y[0:2]; t.mul_(3); t, y
t = y[0:2]; y.mul_(3); t
t = y[0:2]; a = t * 1; y.mul_(3); t, a, y
t = y.view(-1); t[2:5].exp_(); y
t = y.view(-1); t[2:5].exp_(); t
t = y.T; t[0].mul_(w); y
t = y.t()[1:]; t.sub_(1); t, y
t = y[1]; r = y[:, 1]; t.mul_(2); r
t = y[1]; r = y[:, 1]; t.mul_(2); r.mul_(3); t, r, y
t = y.unsqueeze(0).expand(1, 3, 4); t.mul_(2); y
t = y.diagonal(); t.mul_(v); y
t = y.as_strided((2, 2), (5, 1), 1); t.mul_(2); y
t = y.unfold(1, 2, 2); t.mul_(2); y
t = y.select(0, 1); t.copy_(m[2]); y
t = y.permute(1, 0); t.copy_(m.T); y
t = y.squeeze(); t.neg_(); y
y[0] += 1; y
y[0] *= m[0]; y
y[i] += 1; y
y[:, 1:3].mul_(2).add_(1); y
y[0][i] = 0; y
y[0].zero_(); y
y[0].fill_(2.0); y
y.fill_(z); y
y.fill_(2); y
y.fill_(v); y
y.zero_(); y
y.copy_(m); y
y.copy_(v[:, None]); y
y.copy_(z); y
y.copy_(torch.ones(3, 4, dtype=torch.float32)); y
y.copy_(torch.ones(2)); y
y.T.copy_(torch.ones(3)); y
y.masked_fill_(y > 0, 0); y
y.masked_fill_(y > 0, z); y
y.masked_scatter_(y > 0, m); y
y.scatter_(1, j[:1], m[:1, :2]); y
y.scatter_(1, j, 2.0); y
y.scatter_add_(1, j, m[:2, :2]); y
y.scatter_reduce_(1, j, m[:2, :2], 'sum'); y
y.index_add_(0, i, m[:2]); y
y.index_copy_(0, i, m[:2]); y
y.index_fill_(0, i, 1.0); y
y.index_put_((i,), m[:2]); y
y.index_put_((i,), m[:2], accumulate=True); y
y.put_(i, v[:2]); y
y.fill_diagonal_(1.0); y
t = torch.zeros(7, 3); t.fill_diagonal_(5.0, wrap=True); t
t = torch.zeros(7, 3); t.fill_diagonal_(5.0); t
y.tril_(); y
y.triu_(1); y
y.t_(); y
y.transpose_(0, 1); y
y.swapaxes_(0, 1); y
y.unsqueeze_(0); y
y.unsqueeze_(0).squeeze_(0); y
y.unsqueeze_(0).squeeze_(); y
y.t_(); y.mul_(2); y
t = y[0]; y.t_(); t.mul_(2); y
y.mul_(m); y
y.mul_(y); y
y.mul_(2).mul_(3); y
y.exp_(); y
y.sin_(); y
y.add_(m, alpha=2); y
u.add_(m); u
y.add_(v); y
t = y.exp(); t.add_(1); t
t = y * m; y.add_(1); t
t = y + m; y.add_(1); t
t = y ** 2; y[0] = 1; t
t = y[0] ** 2; y[1] = 1; t
t = y.sin(); t[0] = 0; t
t = u.exp(); t[0] = 0; t
a, r, d = y.unbind(); a.add_(1); y
a, r = y.split(2); a.add_(1); y
a = y.chunk(2)[1]; a.zero_(); y
t = y.detach(); t.zero_(); y
t = y.detach(); t[0] = 1.0; y * m
t = m.detach(); t[0] = 1.0; m * 2
t = v.data; t[0] = 1.0; v * v
t = u.data; t.zero_(); u * w
t = torch.ones(3); r = t[0:2]; r.mul_(5); t
t = torch.ones(3); t[0:2] = t[1:3] * 2; t
t = torch.zeros(3, dtype=torch.float64); r = t[:2]; r.copy_(w[:2]); t, r
t = torch.zeros(3, dtype=torch.float64); r = t[:2]; t.copy_(w); r
t = torch.zeros(2, 3, dtype=torch.float64); t[0] = v; t[1] = t[0] * w; t
t = torch.zeros(4, dtype=torch.float64); t[0] = z; t[1] = t[0] ** 2; t[2] = t[1] * t[0]; t
t = torch.zeros(3); t.resize_(2); t
m.resize_(2)
t = torch.zeros(3); t.set_(torch.ones(2)); t
y._version, y.add_(1)._version, y[0].zero_()._version, y._version
t = y[0]; t.add_(1); y._version, t._version
t = y.view(-1); y.add_(1); t._version
y.requires_grad, y.is_leaf, y.zero_().requires_grad
t = c * 1; t[0] = 2j; t
t = c * 1; t[0, 0] = v[0]; t
t = c * 1; t.mul_(c); t
t = torch.ones(2, 2); t.view(4)[1] = 7; t
t = torch.ones(()); t[...] = 3; t
t = z * 1; t[...] = 3; t
t = z * 1; r = t.view(1); r[0] = z * z; t
t = u.view(3, 1).expand(3, 2)[:, 0]; t.mul_(2); u
t = u.view(3, 1).expand(3, 2); t.mul_(2); u
t = v * 1; t[0] = v[1] ** 3; twice(t, v)
t = v * 1; t[1:].mul_(w[1:]); twice(t, v, w)
t = v * 1; t[i] = w[:2] * v[:2]; twice(t, v, w)
t = y.view(-1)[2:5]; t.sin_(); twice(y, m)
t = q * 1; t.diagonal().pow_(2); twice(t, q)
t = torch.zeros(3, dtype=torch.float64); t[1:] = v[1:] * w[1:]; twice(t, v, w)
twice(m.T[1:, i], m)
twice(m.unfold(1, 2, 1), m)
""".strip().splitlines()
