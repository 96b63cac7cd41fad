"""`python -m unfreeze.cli` is the command `unfreeze`."""

import sys

from unfreeze.cli import main

if __name__ == "__main__":
    sys.exit(main())
