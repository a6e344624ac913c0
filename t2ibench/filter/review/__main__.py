"""Opens the review page on loopback. Usage: python -m t2ibench.filter.review SOURCE --reviewer NAME [--port N]"""

import argparse
import socket
from pathlib import Path
from typing import Any

from t2ibench.errors import ConfigError, MissingError, one_sentence
from t2ibench.filter.review.gallery import load
from t2ibench.filter.review.notebook import Notebook

HOST = "127.0.0.1"


def main() -> None:
    """Checks the source, the reviewer and the files, prints the address, and serves until Ctrl-C.

    Raises ConfigError and MissingError with what has to be mended, before anything listens.
    """
    parser = argparse.ArgumentParser(prog="t2ibench.filter.review", description="judge a source's pictures by eye")
    parser.add_argument("source", help="a source of params.yaml, such as sd-llm")
    parser.add_argument("--reviewer", required=True, help="the name that stands beside the decisions")
    parser.add_argument("--port", type=int, default=8321, help="of 127.0.0.1; 0 takes a free one (default: 8321)")
    args = parser.parse_args()
    params = _params()
    if args.source not in params["sources"]:
        raise ConfigError("source", args.source, ", ".join(params["sources"]))
    pictures = load(args.source, params["study"]["classes"])
    notebook = Notebook(args.source, pictures.keys(), args.reviewer)
    done = len(notebook.own())
    listener = _listen(args.port)

    import uvicorn

    from t2ibench.filter.review.server import make_app

    port = listener.getsockname()[1]
    app = make_app(args.source, pictures, notebook, port)
    print(f"{args.source}: {len(pictures)} pictures, {done} judged by {args.reviewer}; decisions go to {notebook.path}")
    print(f"Open http://{HOST}:{port}/   Ctrl-C stops; everything decided is saved", flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        print()


def _params() -> Any:
    import yaml

    try:
        return yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError("params.yaml is missing", "run this in the repository's root") from None


def _listen(port: int) -> socket.socket:
    """A socket that is bound to loopback. Raises ConfigError where the port cannot be had."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else "0 to 65535"
        raise ConfigError("--port", port, f"a free port of {HOST} ({reason})") from None
    return listener


if __name__ == "__main__":
    with one_sentence():
        main()
