"""The hub's commands. Usage: python -m t2ibench.hub fetch|verify|list [name ...]

Without names: the models that params.yaml here names as hub://….
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from t2ibench.errors import MissingError, one_sentence
from t2ibench.hub import store
from t2ibench.hub.catalogue import Entry, entries, entry, named


def main(arguments: Sequence[str]) -> None:
    """Runs one command. Raises UserError with what helps."""
    parser = argparse.ArgumentParser(prog="t2ibench.hub", description="the published models")
    parser.add_argument("command", choices=["fetch", "verify", "list"])
    parser.add_argument("names", nargs="*", help="models of the catalogue; without: those that params.yaml names")
    args = parser.parse_args(arguments)
    chosen = [entry(name) for name in args.names]
    if args.command == "list":
        _list(chosen or list(entries().values()))
    elif args.command == "verify":
        _verify(chosen or wanted(Path("params.yaml")))
    else:
        _fetch(chosen or wanted(Path("params.yaml")))


def wanted(params: Path) -> list[Entry]:
    """The models that a params.yaml names. Raises MissingError without the file; ConfigError as `named` does."""
    try:
        return named(yaml.safe_load(params.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise MissingError(f"there is no {params} here", "make params, in the repository's root") from None


def _fetch(models: Sequence[Entry]) -> None:
    for name in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS"):
        os.environ.setdefault(name, "1")
    from t2ibench.hub.fetch import fetch, present
    from t2ibench.hub.verify import open_lines, where

    if not models:
        print("params.yaml names no model of the hub; everything that it names is bundled")
        return
    before = {model.name for model in models if present(model)}
    with _progress() as started:
        fetch(models, started)
    for model in models:
        print(f"{model.title()}: {'was here' if model.name in before else 'fetched'}, {store.folder(model)}")
    if lines := open_lines(models):
        print(f"\nNot all of these were pinned. Commit to {where()}, so that everybody gets the same files:")
        print("\n".join(lines))


@contextmanager
def _progress() -> Iterator[Any]:
    """A bar a model in a terminal, a line a model elsewhere."""
    console = Console(file=sys.stderr)
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
               TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:

        def started(model: Entry, offered: Any, here: int) -> Any:
            total = sum(item.size or 0 for item in offered.items) or None
            task = shown.add_task(model.name, total=total, completed=here)
            if not console.is_terminal:
                more = f", {here / 1e6:.1f} MB are here already" if here else ""
                print(f"{model.title()} from {offered.source.name}{more}", file=sys.stderr, flush=True)
            return lambda size: shown.advance(task, size)

        yield started


def _verify(models: Sequence[Entry]) -> None:
    from t2ibench.hub.verify import verify, where

    lines = []
    for model in models:
        found = verify(model)
        print(f"{model.title()}: {'as fetched, not all of it pinned' if found else 'as recorded'}")
        lines += [found] if found else []
    if lines:
        print(f"\nCommit to {where()}:")
        print("\n".join(lines))


def _list(models: Sequence[Entry]) -> None:
    table = Table("name", "model", "licence", "GB", "memory, GB", "pinned", "here", box=None)
    for model in models:
        memory = ", ".join(f"{dtype} {need:g}" for dtype, need in model.memory_gb.items())
        here = "yes" if store.fetched(model) else ""
        pinned = "yes" if model.settled else "in part"
        table.add_row(model.name, model.what, model.licence, f"{model.gigabytes:g}", memory, pinned, here)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    with one_sentence():
        main(sys.argv[1:])
