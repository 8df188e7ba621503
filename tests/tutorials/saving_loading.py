"""Models on the disk: state dicts, checkpoints, several models in a file, whole modules, places."""

import io
import pickle
import tempfile
from pathlib import Path

import torch
from torch import nn, optim
from torch.nn import functional as F

torch.manual_seed(0)
keeper = tempfile.TemporaryDirectory()
folder = Path(keeper.name)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(4, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.fc1 = nn.Linear(6 * 2 * 2, 12)
        self.fc2 = nn.Linear(12, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.norm(self.conv2(x))))
        x = torch.flatten(x, 1)
        return self.fc2(F.relu(self.fc1(x)))


def train(model, optimizer, steps):
    model.train()
    for number in range(steps):
        torch.manual_seed(100 + number)
        images, labels = torch.randn(8, 1, 14, 14), torch.randint(10, (8,))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
    return loss


# What a model has learned is in its state dict, what an optimizer needs in its own.
model = Classifier()
optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
print("Model's state_dict:")
for name, tensor in model.state_dict().items():
    print(f"  {name:28} {tuple(tensor.size())!s:14} {tensor.dtype}")
print("Optimizer's state_dict:")
for name, value in optimizer.state_dict().items():
    print(f"  {name}: {value}")

# Saving a state dict and loading it into a new model.
path = folder / "classifier.pt"
torch.save(model.state_dict(), path)
print("first bytes:", path.read_bytes()[:4])
restored = Classifier()
print(restored.load_state_dict(torch.load(path, weights_only=True)))
restored.eval()
print("training:", model.training, restored.training)
images = torch.randn(2, 1, 14, 14)
print("same:", torch.equal(model.eval()(images), restored(images)))

# A checkpoint: everything that training needs to go on.
loss = train(model, optimizer, 5)
checkpoint_path = folder / "checkpoint.tar"
torch.save(
    {
        "epoch": 5,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "loss": loss,
    },
    checkpoint_path,
)
resumed = Classifier()
resumed_optimizer = optim.SGD(resumed.parameters(), lr=0.5)
checkpoint = torch.load(checkpoint_path)
resumed.load_state_dict(checkpoint["model_state_dict"])
resumed_optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
print("epoch:", checkpoint["epoch"], "loss:", f"{checkpoint['loss'].item():.4f}")
print("loss requires grad:", checkpoint["loss"].requires_grad, checkpoint["loss"].grad_fn)
group = resumed_optimizer.param_groups[0]
print("resumed group:", {name: group[name] for name in ("lr", "momentum", "nesterov")})
print("momentum kept:", len(resumed_optimizer.state_dict()["state"]))
losses = [train(m, o, 3).item() for m, o in ((model, optimizer), (resumed, resumed_optimizer))]
print("goes on alike:", losses[0] == losses[1])

# Several models in one file.
generator, critic = nn.Linear(3, 2), nn.Linear(2, 1)
both = folder / "both.tar"
torch.save({"generator": generator.state_dict(), "critic": critic.state_dict()}, both)
found = torch.load(both)
print({name: list(state) for name, state in found.items()})

# Starting another model with what fits.
donor = nn.Sequential()
donor.add_module("fc1", nn.Linear(24, 12))
donor.add_module("extra", nn.Linear(12, 3))
torch.save(donor.state_dict(), folder / "donor.pt")
warm = Classifier()
donated = torch.load(folder / "donor.pt")
try:
    warm.load_state_dict(donated)
except RuntimeError as error:
    print(str(error).splitlines()[0])
keys = warm.load_state_dict(donated, strict=False)
print("missing:", keys.missing_keys[:2], len(keys.missing_keys))
print("unexpected:", keys.unexpected_keys)
print("took over:", torch.equal(warm.fc1.weight, donor.fc1.weight))
renamed = {name.replace("extra", "fc2"): value for name, value in donated.items()}
try:
    warm.load_state_dict(renamed, strict=False)
except RuntimeError as error:
    print(error)

# A whole model: its class is named in the file, and must be vouched for.
whole = folder / "whole.pt"
torch.save(model, whole)
try:
    torch.load(whole)
except pickle.UnpicklingError as error:
    print("refused:", str(error).partition(". ")[0])
names = torch.serialization.get_unsafe_globals_in_checkpoint(whole)
print("names:", sorted(names)[:3])
complete = torch.load(whole, weights_only=False)
print(type(complete).__name__, torch.equal(complete.eval()(images), model.eval()(images)))
print(complete)
with torch.serialization.safe_globals([nn.Linear]):
    torch.save(generator, folder / "linear.pt")
    print(torch.load(folder / "linear.pt"))

# Where tensors go.
buffer = io.BytesIO()
torch.save(model.state_dict(), buffer)
for place in ("cpu", torch.device("cpu"), {"cuda:0": "cpu"}, lambda storage, place: storage):
    buffer.seek(0)
    print(torch.load(buffer, map_location=place)["fc2.bias"].device, end=" ")
print()
buffer.seek(0)
print(torch.load(buffer, map_location="meta")["fc2.bias"])
buffer.seek(0)
try:
    torch.load(buffer, map_location="cuda:0")
except RuntimeError as error:
    print(str(error).partition(". ")[0])

# Tensors that share memory share it again; a part brings its whole memory with it.
numbers = torch.arange(6.0)
torch.save({"all": numbers, "last": numbers[4:]}, folder / "views.pt")
views = torch.load(folder / "views.pt")
views["last"].fill_(0)
print(views["all"], views["last"].untyped_storage().nbytes())
torch.save(numbers[4:].clone(), folder / "part.pt")
print(torch.load(folder / "part.pt", mmap=True).untyped_storage().nbytes())
keeper.cleanup()
