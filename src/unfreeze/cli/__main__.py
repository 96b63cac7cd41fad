"""`python -m unfreeze.cli` is the command `unfreeze`."""

from unfreeze.cli import run

if __name__ == "__main__":
    run()
