"""Publishes cells to MLflow 3: SQLite in the repository's root by default, MLFLOW_TRACKING_URI for a server."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t2ibench.errors import MissingError
from t2ibench.track import CellRun

ENTRY = "t2ibench.entry"
"""The tag that identifies what a run was published from."""


def publish(runs: Sequence[CellRun], experiment: str, uri: str | None, root: Path) -> int:
    """Publishes the runs that are not there yet and returns how many those were.

    A run that an interrupted publication left unfinished is deleted and published again. Raises MissingError where
    the server does not answer.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(address(uri, root))
    try:
        number = _experiment(client, experiment, root, local=_is_local(uri))
        return sum(_publish(client, number, run) for run in runs)
    except MlflowException as error:
        first = str(error).splitlines()[0][:300]
        raise MissingError(f"the tracking server {address(uri, root)} does not take the runs ({first}); the results "
                           "are safe in results/", "start the server, then dvc repro track") from None


def address(uri: str | None, root: Path) -> str:
    """Where the runs go: the setting, else MLFLOW_TRACKING_URI, else mlflow.db in `root`."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root.resolve()}/mlflow.db"


def _is_local(uri: str | None) -> bool:
    return not (uri or os.environ.get("MLFLOW_TRACKING_URI"))


def _experiment(client: Any, name: str, root: Path, local: bool) -> str:
    """The experiment's id. Its page opens as the model-training view, not as the GenAI one."""
    found = client.get_experiment_by_name(name)
    if found:
        return str(found.experiment_id)
    place = (root.resolve() / "mlruns" / name).as_uri() if local else None
    tags = {"mlflow.experimentKind": "custom_model_development"}
    return str(client.create_experiment(name, artifact_location=place, tags=tags))


def _publish(client: Any, experiment: str, run: CellRun) -> bool:
    """Publishes one cell; False where the same entry is there already."""
    for found in client.search_runs([experiment], f"tags.`{ENTRY}` = '{run.entry}'"):
        if found.info.status == "FINISHED":
            return False
        client.delete_run(found.info.run_id)
    number = client.create_run(experiment, run_name=run.name, tags={**run.tags, ENTRY: run.entry}).info.run_id
    try:
        _fill(client, number, run)
    except BaseException:
        client.set_terminated(number, "FAILED")
        raise
    client.set_terminated(number, "FINISHED")
    return True


def _fill(client: Any, number: str, run: CellRun) -> None:
    """Parameters, metrics, data sets, pictures and documents of one run."""
    import time

    from mlflow.entities import Metric, Param
    from PIL import Image

    now = int(time.time() * 1000)
    client.log_batch(number, [Metric(key, value, now, 0) for key, value in sorted(run.metrics.items())],
                     [Param(key, value[:6000]) for key, value in sorted(run.params.items())])
    client.log_inputs(number, _inputs(run))
    for key, path in run.pictures.items():
        with Image.open(path) as image:
            client.log_image(number, image.convert("RGB"), key=key, step=0)
        client.log_artifact(number, str(path), "figures")
    for path in run.documents:
        client.log_artifact(number, str(path), "results")


def _inputs(run: CellRun) -> list[Any]:
    """The data sets that a cell went through, with the digests that DVC gave them."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag

    found = []
    for path, md5 in run.datasets.items():
        data = MetaDataset(CodeDatasetSource({"dvc.path": path}), name=path, digest=md5)
        found.append(DatasetInput(data._to_mlflow_entity(), [InputTag("mlflow.data.context", path.split("/")[1])]))
    return found
