"""Samples, their order and their batches: small pictures of shapes, told apart by a network."""

import torch
from torch import nn
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)

NAMES = ["bar", "cross", "frame"]
SIZE = 12


def drawing(kind, row, column):
    """A white shape on black, its middle near (row, column)."""
    picture = torch.zeros(SIZE, SIZE, dtype=torch.uint8)
    if kind == 0:
        picture[row, column - 2 : column + 3] = 255
    elif kind == 1:
        picture[row, column - 2 : column + 3] = 255
        picture[row - 2 : row + 3, column] = 255
    else:
        picture[row - 2 : row + 3, column - 2 : column + 3] = 255
        picture[row - 1 : row + 2, column - 1 : column + 2] = 0
    return picture


class Shapes(Dataset):
    """Pictures with labels; what is done to each is given from outside."""

    def __init__(self, count, seed, transform=None, target_transform=None):
        generator = torch.Generator().manual_seed(seed)
        self.kinds = torch.randint(0, 3, (count,), generator=generator)
        self.places = torch.randint(2, SIZE - 2, (count, 2), generator=generator)
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self):
        return len(self.kinds)

    def __getitem__(self, index):
        kind = int(self.kinds[index])
        row, column = self.places[index].tolist()
        picture, label = drawing(kind, row, column), kind
        if self.transform:
            picture = self.transform(picture)
        if self.target_transform:
            label = self.target_transform(label)
        return picture, label


class Compose:
    """One step after the other."""

    def __init__(self, *steps):
        self.steps = steps

    def __call__(self, sample):
        for step in self.steps:
            sample = step(sample)
        return sample


def to_unit(picture):
    """Bytes to numbers on [0, 1], with an axis for the only channel."""
    return picture.to(torch.float32).div(255).unsqueeze(0)


class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, picture):
        return (picture - self.mean) / self.std


class RandomFlip:
    """Left and right change places, in one of two cases."""

    def __call__(self, picture):
        return picture.flip(-1) if torch.rand(()) < 0.5 else picture


def one_hot(label):
    return torch.zeros(3).scatter_(0, torch.tensor(label), value=1)


print("--- samples")
raw = Shapes(4, seed=1)
print(len(raw))
for number in range(len(raw)):
    picture, label = raw[number]
    print(number, tuple(picture.shape), picture.dtype, NAMES[label], int(picture.sum()) // 255)
picture, label = raw[0]
print("\n".join("".join("#" if pixel else "." for pixel in line) for line in picture.tolist()))

print("--- transforms")
plain = Shapes(6, seed=1, transform=to_unit, target_transform=one_hot)
picture, label = plain[2]
print(picture.shape, picture.dtype, picture.max(), label)
pixels = torch.stack([picture for picture, _ in Shapes(200, seed=2, transform=to_unit)])
mean, std = pixels.mean().item(), pixels.std().item()
print(f"mean {mean:.4f}, deviation {std:.4f}")
steps = Compose(to_unit, Normalize(mean, std))
print(steps(raw[1][0]).unique())

print("--- batches")
data = Shapes(150, seed=3, transform=steps)
loader = DataLoader(data, batch_size=32)
print(len(loader))
for pictures, labels in loader:
    print(pictures.shape, labels.shape, labels.dtype, labels.bincount(minlength=3).tolist())
print(len(DataLoader(data, batch_size=32, drop_last=True)))

print("--- shuffled")
torch.manual_seed(0)
numbers = DataLoader(range(10), batch_size=4, shuffle=True)
for epoch in range(3):
    print(epoch, [batch.tolist() for batch in numbers])
print("what is drawn next:", torch.rand(2))
own = DataLoader(range(10), 4, shuffle=True, generator=torch.Generator().manual_seed(0))
print([batch.tolist() for batch in own])
print([batch.tolist() for batch in own])

print("--- parts")
train, valid, rest = random_split(data, [100, 40, 10], generator=torch.Generator().manual_seed(5))
print(len(train), len(valid), len(rest), rest.indices)
halves = random_split(range(7), [0.5, 0.5], generator=torch.Generator().manual_seed(5))
print([list(half) for half in halves])
print(list(Subset("abcdef", [5, 0, 3])))
print(len(ConcatDataset([train, valid])), (train + rest)[105][1])

print("--- weights")
torch.manual_seed(1)
scarce = TensorDataset(torch.arange(12.0), torch.tensor([0] * 10 + [1] * 2))
counts = torch.bincount(scarce.tensors[1])
weights = 1 / counts[scarce.tensors[1]]
sampler = WeightedRandomSampler(weights, num_samples=12)
for values, labels in DataLoader(scarce, batch_size=6, sampler=sampler):
    print(values.tolist(), labels.tolist())

print("--- samples of other kinds")
samples = [
    {"text": "first", "size": 1.5, "place": (1, 2)},
    {"text": "second", "size": 2.5, "place": (3, 4)},
]
print(default_collate(samples))


def padded(batch):
    """Sequences of unequal length in one matrix, and their lengths."""
    lengths = torch.tensor([len(one) for one in batch])
    rows = [nn.functional.pad(one, (0, int(lengths.max()) - len(one))) for one in batch]
    return torch.stack(rows), lengths


sequences = [torch.arange(1, n + 1) for n in (2, 4, 1)]
for rows, lengths in DataLoader(sequences, batch_size=2, collate_fn=padded):
    print(rows, lengths)
try:
    default_collate([None, None])
except TypeError as error:
    print(error)


class Countdown(IterableDataset):
    """A stream has no numbers, only a next sample."""

    def __init__(self, start):
        self.start = start

    def __iter__(self):
        return iter(range(self.start, 0, -1))


print([batch.tolist() for batch in DataLoader(Countdown(7), batch_size=3)])
print(list(DataLoader(Countdown(3), batch_size=None)))

print("--- a network learns")
torch.manual_seed(42)
train.dataset.transform = Compose(to_unit, RandomFlip(), Normalize(mean, std))
train_loader = DataLoader(train, batch_size=20, shuffle=True)
valid_loader = DataLoader(valid, batch_size=40)
net = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(150, 3))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
for epoch in range(4):
    total = 0.0
    for pictures, labels in train_loader:
        loss = nn.functional.cross_entropy(net(pictures), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    with torch.no_grad():
        right = sum((net(x).argmax(1) == y).sum().item() for x, y in valid_loader)
    print(f"epoch {epoch}: loss {total / len(train):.3f}, {right} of {len(valid)} right")
