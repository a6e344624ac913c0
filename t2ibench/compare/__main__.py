"""Prints results/compare.json beside the published tables: the last words of `make repro`."""

from pathlib import Path

from rich.console import Console

from t2ibench.compare import as_console
from t2ibench.errors import one_sentence
from t2ibench.records import read_json


def main() -> None:
    """Reads the comparison and the models' note of params.yaml, and prints the table, 100 columns wide at least."""
    import yaml

    comparison = read_json(Path("results/compare.json"), "make repro")
    models = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["models"]
    console = Console()
    console = console if console.is_terminal else Console(width=100)
    console.print(as_console(comparison, models))


if __name__ == "__main__":
    with one_sentence():
        main()
