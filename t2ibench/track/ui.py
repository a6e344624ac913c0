"""Opens the MLflow UI on loopback where the study's runs are. Usage: python -m t2ibench.track.ui [--port 5000]"""

import argparse
import os
import socket
from pathlib import Path

from t2ibench.errors import ConfigError, MissingError, one_sentence
from t2ibench.track import store, view
from t2ibench.track.server import LIGHT, serve

HOST = "127.0.0.1"


def main() -> None:
    """Prints the addresses, serves until Ctrl-C, and ends with 0; with 2 where there is nothing to show."""
    parser = argparse.ArgumentParser(prog="python -m t2ibench.track.ui", description="the MLflow UI on 127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    try:
        with one_sentence():
            _open(parser.parse_args().port)
    except KeyboardInterrupt:
        print("\nMLflow stopped", flush=True)


def _open(port: int) -> None:
    os.environ.update(LIGHT)
    settings = _settings(Path("params.yaml"))
    place = store.address(settings.get("uri"), Path.cwd())
    if store.is_server(place):
        _show(place, place, settings["experiment"])
        return
    with _listen(port) as listening:
        if place.startswith(store.PREFIX) and not Path(place.removeprefix(store.PREFIX)).is_file():
            raise MissingError(f"nothing is published yet: {place.removeprefix(store.PREFIX)} is missing", "make repro")
        print(f"MLflow starts on {HOST}:{port}; this takes some seconds", flush=True)
        store.prepare(place)
        serve(place, listening, lambda: _show(f"http://{HOST}:{port}", place, settings["experiment"]))


def _settings(path: Path) -> dict[str, str]:
    """The section `track` of params.yaml."""
    import yaml

    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8"))["track"])
    except (FileNotFoundError, KeyError, TypeError, yaml.YAMLError):
        raise MissingError(f"{path} is missing or has no section track", "make params") from None


def _listen(port: int) -> socket.socket:
    """The bound socket; raises ConfigError where the port cannot be had."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise ConfigError("--port", port, f"a free port ({error.strerror}); make ui PORT={port + 1} takes another"
                          ) from None
    except OverflowError:
        listening.close()
        raise ConfigError("--port", port, "a port from 1024 to 65535") from None
    return listening


def _show(base: str, place: str, experiment: str) -> None:
    """Prints what opens where: the runs of every cell, newest publication."""
    from t2ibench.track.mlflow import newest

    number, run_ids = newest(place, experiment)
    print(f"MLflow answers at {base}; Ctrl-C stops it" if base != place else f"The tracking server: {base}")
    if not run_ids:
        print(f"  it holds no run of {experiment} yet: dvc repro track publishes them", flush=True)
        return
    for what, link in view.links(base, number, run_ids).items():
        print(f"  {what}:\n    {link}", flush=True)


if __name__ == "__main__":
    main()
