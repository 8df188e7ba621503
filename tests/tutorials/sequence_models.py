"""Networks over sequences: what an LSTM returns, a tagger of words, networks over letters."""

import random
import string

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

torch.manual_seed(1)

# --- One step at a time, or all at once --------------------------------------------------------

lstm = nn.LSTM(3, 3)  # inputs of length 3, states of length 3
inputs = [torch.randn(1, 3) for _ in range(5)]  # a sequence of five
hidden = (torch.randn(1, 1, 3), torch.randn(1, 1, 3))
for part in inputs:
    out, hidden = lstm(part.view(1, 1, -1), hidden)
print("step by step", out, hidden)

steps = torch.cat(inputs).view(len(inputs), 1, -1)
hidden = (torch.randn(1, 1, 3), torch.randn(1, 1, 3))
out, hidden = lstm(steps, hidden)
print("at once", out, hidden)
print("the last result is the state:", torch.equal(out[-1], hidden[0][-1]))

# --- A tagger of words -------------------------------------------------------------------------

tagged = (  # determiners, nouns, verbs, adjectives
    ("a quiet fox crossed the frozen river", "D A N V D A N"),
    ("everybody knew that old song", "N V D A N"),
    ("the river sang a quiet song", "D N V D A N"),
)
lessons = [(sentence.split(), answers.split()) for sentence, answers in tagged]
words: dict[str, int] = {}
for sentence, _ in lessons:
    for word in sentence:
        words.setdefault(word, len(words))
tags = {"D": 0, "N": 1, "V": 2, "A": 3}
print(words)


def numbers(things: list[str], table: dict[str, int]) -> torch.Tensor:
    """What a sequence of words or tags is called inside."""
    return torch.tensor([table[thing] for thing in things])


class Tagger(nn.Module):
    """Scores of the tags for each word of a sentence."""

    def __init__(self, width: int, hidden_size: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(len(words), width)
        self.lstm = nn.LSTM(width, hidden_size)
        self.to_tags = nn.Linear(hidden_size, len(tags))

    def forward(self, sentence: torch.Tensor) -> torch.Tensor:
        """Log-probabilities, one row for each word."""
        embedded = self.embeddings(sentence)
        states, _ = self.lstm(embedded.view(len(sentence), 1, -1))
        return F.log_softmax(self.to_tags(states.view(len(sentence), -1)), dim=1)


tagger = Tagger(6, 6)
print(tagger)
loss_function = nn.NLLLoss()
optimiser = optim.SGD(tagger.parameters(), lr=0.1)
with torch.no_grad():
    print("before", tagger(numbers(lessons[0][0], words)))
for epoch in range(240):
    total = 0.0
    for sentence, answers in lessons:
        tagger.zero_grad()
        loss = loss_function(tagger(numbers(sentence, words)), numbers(answers, tags))
        loss.backward()
        optimiser.step()
        total += loss.item()
    if epoch % 40 == 39:
        print(f"epoch {epoch + 1}: {total:.4f}")
with torch.no_grad():
    scores = tagger(numbers(lessons[0][0], words))
    print("after", scores)
    names = list(tags)
    print([names[i] for i in scores.argmax(dim=1).tolist()], lessons[0][1])

# --- Sentences of several lengths in one batch -------------------------------------------------

batch = [tagger.embeddings(numbers(sentence, words)).detach() for sentence, _ in lessons]
lengths = torch.tensor([len(one) for one in batch])
packed = pack_padded_sequence(pad_sequence(batch), lengths, enforce_sorted=False)
print(packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
states, (last, _) = tagger.lstm(packed)
padded, lengths = pad_packed_sequence(states)
print(padded.shape, lengths, last.shape)
for i, one in enumerate(batch):
    alone, _ = tagger.lstm(one.unsqueeze(1))
    print(torch.allclose(alone[:, 0], padded[: len(one), i], atol=1e-6), end=" ")
print(torch.allclose(last[0, 1], padded[lengths[1] - 1, 1]))

# --- Letters: a network made of linear maps ----------------------------------------------------

letters = string.ascii_lowercase
random.seed(3)
languages = {
    "round": ("mnolur", "aou"),
    "sharp": ("tkspzx", "ie"),
    "plain": ("bdgrl", "aei"),
}


def invented(language: str) -> str:
    """A word of two or three syllables."""
    consonants, vowels = languages[language]
    return "".join(
        random.choice(consonants) + random.choice(vowels) for _ in range(random.randint(2, 3))
    )


def one_hot(word: str) -> torch.Tensor:
    """(letters of the word, 1, letters of the alphabet)."""
    rows = torch.zeros(len(word), 1, len(letters))
    for i, letter in enumerate(word):
        rows[i, 0, letters.index(letter)] = 1
    return rows


names = list(languages)
examples = [(invented(name), i) for _ in range(40) for i, name in enumerate(names)]
print(examples[:6])


class Cell(nn.Module):
    """The next state and scores, from the letter and the state beside each other."""

    def __init__(self, inputs: int, size: int, outputs: int) -> None:
        super().__init__()
        self.size = size
        self.to_state = nn.Linear(inputs + size, size)
        self.to_output = nn.Linear(size, outputs)

    def forward(self, letter: torch.Tensor, state: torch.Tensor) -> tuple:
        """Scores and the next state."""
        state = torch.tanh(self.to_state(torch.cat((letter, state), 1)))
        return F.log_softmax(self.to_output(state), dim=1), state

    def start(self) -> torch.Tensor:
        """The state before the first letter."""
        return torch.zeros(1, self.size)


cell = Cell(len(letters), 16, len(names))
print(cell)
rate = 0.03
for round_number in range(3):
    total = 0.0
    for word, answer in examples:
        state = cell.start()
        for letter in one_hot(word):
            scores, state = cell(letter, state)
        loss = F.nll_loss(scores, torch.tensor([answer]))
        cell.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in cell.parameters():
                parameter -= rate * parameter.grad
        total += loss.item()
    print(f"round {round_number + 1}: {total / len(examples):.4f}")

# --- The same with nn.RNN, on packed batches ---------------------------------------------------


class Classifier(nn.Module):
    """Scores from the last state of a recurrent network."""

    def __init__(self, kind: type) -> None:
        super().__init__()
        self.rnn = kind(len(letters), 16, num_layers=2)
        self.to_output = nn.Linear(16, len(names))

    def forward(self, words: list[str]) -> torch.Tensor:
        """(words, languages)."""
        hot = [one_hot(word)[:, 0] for word in words]
        packed = nn.utils.rnn.pack_sequence(hot, enforce_sorted=False)
        _, last = self.rnn(packed)
        last = last[0] if isinstance(last, tuple) else last
        return self.to_output(last[-1])


for kind in (nn.RNN, nn.GRU, nn.LSTM):
    torch.manual_seed(5)
    model = Classifier(kind)
    optimiser = optim.Adam(model.parameters(), lr=0.02)
    for epoch in range(6):
        model.train()
        total = 0.0
        for start in range(0, len(examples), 20):
            part = examples[start : start + 20]
            scores = model([word for word, _ in part])
            loss = F.cross_entropy(scores, torch.tensor([answer for _, answer in part]))
            optimiser.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            total += loss.item()
        if epoch % 2:
            print(f"{kind.__name__} {epoch + 1}: loss {total / 6:.4f}, gradient {norm:.3f}")
    model.eval()
    with torch.no_grad():
        guesses = model(["molura", "kipsi", "bagera"]).argmax(dim=1)
    print([names[i] for i in guesses.tolist()])
