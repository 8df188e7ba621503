"""A convolution network learns handwritten digits, in PyTorch's style, without PyTorch.

1. Data: a `Dataset`, a split, `DataLoader`s.
2. Training: Adam, a cosine schedule, a line of progress for every epoch.
3. A checkpoint: saved half-way, loaded into new objects, trained on to the very same numbers.
4. The confusion matrix, drawn as a picture where matplotlib is installed.
5. The same network in functional style (`digits_functional.py`): its gradient is the same.

Run it with `python examples/torch_digits.py [picture.png]`. With PyTorch, only the imports of torch
change: `import torch`, `from torch import nn, optim`, ... (part 5 is funcgrad's own).
"""

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from digits_functional import gradient_of_one_batch

from funcgrad.compat import torch
from funcgrad.compat.torch import nn, optim
from funcgrad.compat.torch.utils.data import DataLoader, TensorDataset, random_split

DATA = Path(__file__).parent / "data"
EPOCHS = 8


def load_digits():
    """Grey images (1, 8, 8) with values in 0..1 and their digits, four fifths for training."""
    table = np.loadtxt(DATA / "digits.csv.gz", delimiter=",", skiprows=1, dtype=np.float32)
    images = torch.from_numpy(table[:, :-1].reshape(-1, 1, 8, 8) / 16)
    digits = torch.from_numpy(table[:, -1].astype(np.int64))
    split = torch.Generator().manual_seed(0)
    return random_split(TensorDataset(images, digits), [0.8, 0.2], generator=split)


class Network(nn.Module):
    """Two convolutions with pooling, and an affine map to ten logits."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(32 * 2 * 2, 10))

    def forward(self, images):
        """Logits of the ten digits."""
        return self.classifier(self.features(images))


class Training:
    """Everything that a checkpoint holds: the network, the optimiser, the schedule, the epoch."""

    def __init__(self, seed):
        torch.manual_seed(seed)
        self.network = Network()
        self.optimizer = optim.Adam(self.network.parameters(), lr=4e-3)
        self.scheduler = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=EPOCHS)
        self.epoch = 0

    def one_epoch(self, loader):
        """Train on every batch once; return the mean loss."""
        self.network.train()
        total = 0.0
        for images, digits in loader:
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.network(images), digits)
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(digits)
        self.scheduler.step()
        self.epoch += 1
        return total / len(loader.dataset)

    def save(self, path):
        """Write a checkpoint, with the state of the random numbers."""
        torch.save(
            {
                "epoch": self.epoch,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "random": torch.get_rng_state(),
            },
            path,
        )

    def load(self, path):
        """Go on where a checkpoint was written."""
        checkpoint = torch.load(path)
        self.epoch = checkpoint["epoch"]
        self.network.load_state_dict(checkpoint["network"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.scheduler.load_state_dict(checkpoint["scheduler"])
        torch.set_rng_state(checkpoint["random"])


@torch.no_grad()
def confusion_matrix(network, loader):
    """How often an image of digit i was read as digit j, at (i, j)."""
    network.eval()
    counts = torch.zeros(10, 10, dtype=torch.int64)
    for images, digits in loader:
        for true, read in zip(digits, network(images).argmax(1), strict=True):
            counts[true, read] += 1
    return counts


def show_progress(epoch, loss, accuracy, rate):
    """A line with a bar."""
    bar = "#" * (24 * epoch // EPOCHS)
    print(
        f"  epoch {epoch}/{EPOCHS} [{bar:.<24}] loss {loss:.4f}, "
        f"held-out accuracy {accuracy:.1%}, rate {rate:.4f}",
        flush=True,
    )


def train_to_the_end(training, loader, held_out, checkpoint=None):
    """Train the epochs that are left; return the last loss and the confusion matrix."""
    loss, counts = np.nan, None
    while training.epoch < EPOCHS:
        rate = training.scheduler.get_last_lr()[0]
        loss = training.one_epoch(loader)
        counts = confusion_matrix(training.network, held_out)
        show_progress(training.epoch, loss, counts.trace().item() / counts.sum().item(), rate)
        if checkpoint is not None and training.epoch == EPOCHS // 2:
            training.save(checkpoint)
    return loss, counts


def draw(counts, path):
    """Draw a confusion matrix with matplotlib; without it, print it."""
    if find_spec("matplotlib") is None:
        print(counts)
        print("  (pip install matplotlib draws it as a picture)")
        return
    import matplotlib as mpl  # noqa: PLC0415  # the example runs without it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  # after the choice of what draws

    figure, axes = plt.subplots(figsize=(6, 5.4), layout="constrained")
    image = axes.imshow(np.where(counts.numpy() > 0, counts.numpy(), np.nan), cmap="viridis")
    for (true, read), count in np.ndenumerate(counts.numpy()):
        if count:
            shade = "black" if true == read else "white"
            axes.text(read, true, count, ha="center", va="center", color=shade)
    axes.set(xlabel="read as", ylabel="digit", xticks=range(10), yticks=range(10))
    figure.colorbar(image, label="images")
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"  drawn to {path}")


def main(picture=None):
    """Run the five parts; return what they found."""
    print("1. data")
    training_set, held_out_set = load_digits()
    loader = DataLoader(training_set, batch_size=64, shuffle=True)
    held_out = DataLoader(held_out_set, batch_size=128)
    print(f"  {len(training_set)} images to learn from, {len(held_out_set)} held out")

    print("2. training")
    training = Training(seed=0)
    print(training.network)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "half_way.pt"
        loss, counts = train_to_the_end(training, loader, held_out, checkpoint)

        print("3. the second half again, from the checkpoint")
        resumed = Training(seed=1)
        resumed.load(checkpoint)
        again, _ = train_to_the_end(resumed, loader, held_out)
    same = again == loss and all(
        torch.equal(a, b)
        for a, b in zip(training.network.parameters(), resumed.network.parameters(), strict=True)
    )
    print(f"  the same loss and the same parameters, to the last bit: {same}")

    print("4. confusion matrix of the held-out images")
    if picture is None:
        print(counts)
    else:
        draw(counts, picture)

    print("5. the same network in functional style")
    images, digits = next(iter(DataLoader(held_out_set, batch_size=32)))
    training.network.zero_grad()
    nn.functional.cross_entropy(training.network(images), digits).backward()
    gradient = gradient_of_one_batch(
        {name: value.numpy() for name, value in training.network.state_dict().items()},
        images.numpy(),
        digits.numpy(),
    )
    difference = max(
        np.abs(parameter.grad.numpy() - gradient[name]).max()
        for name, parameter in training.network.named_parameters()
    )
    print(f"  largest difference of the two gradients: {difference:.0e}")
    return {
        "accuracy": counts.trace().item() / counts.sum().item(),
        "same": same,
        "difference": float(difference),
    }


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
