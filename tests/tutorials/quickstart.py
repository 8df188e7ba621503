"""From data to a trained, saved and loaded network; the images are made up: bars and blobs."""

import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

CLASSES = ["row", "column", "square", "frame", "cross", "corner", "dots", "half", "stripe", "blank"]


class Pictures(Dataset):
    """Grey pictures (1, 28, 28) of ten kinds, with noise."""

    def __init__(self, count, seed, transform=None):
        numbers = torch.Generator().manual_seed(seed)
        self.targets = torch.randint(0, 10, (count,), generator=numbers)
        self.noise = torch.rand(count, 28, 28, generator=numbers)
        self.transform = transform

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        label = int(self.targets[index])
        picture = 0.4 * self.noise[index].clone()
        at = 4 + index % 16
        if label in (0, 4):
            picture[at : at + 4] += 0.6
        if label in (1, 4):
            picture[:, at : at + 4] += 0.6
        if label == 2:
            picture[8:20, 8:20] += 0.6
        if label == 3:
            picture[4:24, 4:24] += 0.6
            picture[8:20, 8:20] -= 0.6
        if label == 5:
            picture[:14, :14] += 0.6
        if label == 6:
            picture[::4, ::4] += 0.6
        if label == 7:
            picture[14:] += 0.6
        if label == 8:
            picture[:, ::3] += 0.6
        picture = picture.clamp(0, 1).unsqueeze(0)
        return (picture if self.transform is None else self.transform(picture)), label


batch_size = 64
training_data = Pictures(1280, seed=0)
test_data = Pictures(320, seed=1, transform=lambda picture: picture)
torch.manual_seed(0)
train_loader = DataLoader(training_data, batch_size=batch_size, shuffle=True)
test_loader = DataLoader(test_data, batch_size=batch_size)

for X, y in test_loader:
    print(f"Shape of X [N, C, H, W]: {X.shape}")
    print(f"Shape of y: {y.shape} {y.dtype}")
    break
print(len(training_data), len(train_loader), len(test_loader), training_data[3][0].dtype)

device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"Using {device} device")


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.stack = nn.Sequential(
            nn.Linear(28 * 28, 64),
            nn.ReLU(),
            nn.Linear(64, 32),
            nn.ReLU(),
            nn.Linear(32, 10),
        )

    def forward(self, x):
        return self.stack(self.flatten(x))


model = NeuralNetwork().to(device)
print(model)
X = torch.rand(1, 28, 28, device=device)
probabilities = nn.Softmax(dim=1)(model(X))
print(f"Predicted class: {probabilities.argmax(1)}")
for name, parameter in model.named_parameters():
    print(f"Layer: {name} | Size: {parameter.size()} | Values: {parameter[:2].flatten()[:3]}")

loss_of = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.2)


def train(loader):
    size = len(loader.dataset)
    model.train()
    for batch, (X, y) in enumerate(loader):
        X, y = X.to(device), y.to(device)
        loss = loss_of(model(X), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if batch % 10 == 0:
            print(f"loss: {loss.item():.3f}  [{(batch + 1) * len(X):>5d}/{size:>5d}]")


def test(loader):
    model.eval()
    total, correct = 0, 0
    with torch.no_grad():
        for X, y in loader:
            predicted = model(X.to(device))
            total += loss_of(predicted, y.to(device)).item()
            correct += (predicted.argmax(1) == y).type(torch.float).sum().item()
    share = correct / len(loader.dataset)
    print(f"Test: Accuracy: {100 * share:>0.1f}%, Avg loss: {total / len(loader):.3f}")


for epoch in range(5):
    print(f"Epoch {epoch + 1}\n-------------------------------")
    train(train_loader)
    test(test_loader)
print("Done!")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.pth"
    torch.save(model.state_dict(), path)
    loaded = NeuralNetwork().to(device)
    print(loaded.load_state_dict(torch.load(path, weights_only=True)))

loaded.eval()
for index in range(4):
    x, y = test_data[index]
    with torch.no_grad():
        predicted = loaded(x.to(device))
        print(torch.equal(predicted, model.eval()(x)))
        print(f"Predicted: {CLASSES[predicted[0].argmax(0)]!r}, Actual: {CLASSES[y]!r}")
