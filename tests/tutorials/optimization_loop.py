"""Hyperparameters, a loop over training data and a loop over test data, on two spirals."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

learning_rate = 0.1
batch_size = 50
epochs = 6

torch.manual_seed(7)
turns = torch.rand(600, 1) * 3
arm = torch.randint(0, 2, (600,))
angle = 2 * turns + torch.pi * arm.unsqueeze(1)
points = turns * torch.cat((angle.cos(), angle.sin()), 1) + 0.05 * torch.randn(600, 2)
data = TensorDataset(points, arm)
training_data, test_data = random_split(data, [500, 100])
train_loader = DataLoader(training_data, batch_size, shuffle=True)
test_loader = DataLoader(test_data, batch_size)
print(len(training_data), len(test_data), training_data[0], test_data.indices[:5])


class Network(nn.Module):
    """Three layers, the batch normalised between them."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, 32),
            nn.BatchNorm1d(32),
            nn.Tanh(),
            nn.Linear(32, 32),
            nn.LeakyReLU(),
            nn.Linear(32, 2),
        )

    def forward(self, x):
        return self.layers(x)


model = Network()
loss_of = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
print(model, optimizer)


def train_loop(loader, model, loss_of, optimizer):
    size = len(loader.dataset)
    model.train()
    for batch, (x, y) in enumerate(loader):
        predicted = model(x)
        loss = loss_of(predicted, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if batch % 5 == 0:
            print(f"loss: {loss.item():.3f}  [{batch * batch_size + len(x):>5d}/{size:>5d}]")


def test_loop(loader, model, loss_of):
    model.eval()
    size, batches = len(loader.dataset), len(loader)
    total, correct = 0.0, 0.0
    with torch.no_grad():
        for x, y in loader:
            predicted = model(x)
            total += loss_of(predicted, y).item()
            correct += (predicted.argmax(1) == y).type(torch.float).sum().item()
    print(f"Test Error: \n Accuracy: {100 * correct / size:>0.1f}%", end=", ")
    print(f"Avg loss: {total / batches:.3f} \n")


for epoch in range(epochs):
    print(f"Epoch {epoch + 1}, rate {scheduler.get_last_lr()}\n-------------------------------")
    train_loop(train_loader, model, loss_of, optimizer)
    test_loop(test_loader, model, loss_of)
    scheduler.step()
print("Done!", model.layers[1].num_batches_tracked, model.layers[1].running_mean[:4])
