"""Where the runs go, and what is said where that does not work: within seconds, in one sentence."""

import os
import sqlite3
from pathlib import Path

from t2ibench.errors import MissingError

PREFIX = "sqlite:///"
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
"""Seconds and tries of one request. MLflow's own (120 s, 7 tries) keep a publication hanging for many minutes; what
the environment says goes first. Nor does it print two lines per run."""

PUBLISH = "start it, then dvc repro track: it publishes what is missing, once"
WAIT_SECONDS = 10


def address(uri: str | None, root: Path) -> str:
    """Where the runs go: the setting, else MLFLOW_TRACKING_URI, else mlflow.db in `root`."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"{PREFIX}{root.resolve()}/mlflow.db"


def is_server(uri: str) -> bool:
    """Whether the runs go to a tracking server, not to a database."""
    return uri.startswith(("http://", "https://"))


def prepare(uri: str) -> None:
    """Before MLflow is called: its patience with a server, the state of a SQLite file.

    Raises MissingError where the file cannot be written, is damaged, or stays locked for WAIT_SECONDS.
    """
    for key, value in PATIENCE.items():
        os.environ.setdefault(key, value)
    if uri.startswith(PREFIX):
        _check_file(Path(uri.removeprefix(PREFIX)))


def _check_file(path: Path) -> None:
    """MLflow itself would try a file that it cannot open for minutes, and answer with SQLAlchemy's traceback."""
    if not path.exists():
        if not os.access(path.parent, os.W_OK):
            raise MissingError(f"the folder of {path} cannot be written", f"mkdir -p {path.parent}")
        return
    try:
        connection = sqlite3.connect(path, timeout=WAIT_SECONDS)
        try:
            connection.execute("PRAGMA quick_check(1)").fetchone()
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise MissingError(f"{path} is in use or cannot be written ({error}); the results are safe in results/",
                           "end the program that holds it, then dvc repro track") from None
    except sqlite3.DatabaseError as error:
        raise MissingError(f"{path} is damaged ({error}); the results are safe in results/",
                           "move it away, then dvc repro -f -s track publishes them into a new one") from None


def refused(uri: str, error: Exception) -> MissingError:
    """What to say of a store that stopped taking runs."""
    first = str(error).splitlines()[0][:300]
    what = "tracking server" if is_server(uri) else "database"
    help_ = PUBLISH if is_server(uri) else "dvc repro track: it publishes what is missing, once"
    return MissingError(f"the {what} {uri} does not take the runs ({first}); the results are safe in results/", help_)
