"""`python tests/tutorials/record.py [names]`, where PyTorch is: write what it prints anew."""

import subprocess
import sys
from pathlib import Path

import torch

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    """Run every script on PyTorch and keep its output, after a line that names the version."""
    for script in sorted(FOLDER.glob("*.py")):
        if script.stem in ("conftest", "record", "test_tutorials"):
            continue
        if sys.argv[1:] and script.stem not in sys.argv[1:]:
            continue
        done = subprocess.run(
            [sys.executable, script.name], capture_output=True, text=True, check=True, cwd=FOLDER
        )
        head = f"PyTorch {torch.__version__.partition('+')[0]}\n"
        script.with_suffix(".txt").write_text(head + done.stdout, encoding="utf-8")


if __name__ == "__main__":
    main()
