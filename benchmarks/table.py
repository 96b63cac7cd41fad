"""`python benchmarks/table.py RESULTS.json…`: the results as Markdown, for docs/benchmarks.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from results import load_results
from showing import markdown


def main() -> None:
    """Print one section for each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+")
    for path in parser.parse_args().results:
        print(f"## {path.stem}\n\n{markdown(load_results(path))}")


if __name__ == "__main__":
    main()
