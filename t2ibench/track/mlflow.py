"""Publishes cells to MLflow 3: SQLite in the repository's root by default, MLFLOW_TRACKING_URI for a server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t2ibench.pictures import read_picture
from t2ibench.track import SETTINGS, CellRun, store, view

ENTRY = "t2ibench.entry"
"""The tag that identifies what a run was published from."""


def publish(runs: Sequence[CellRun], experiment: str, uri: str | None, root: Path) -> int:
    """Publishes the runs that are not there yet and returns how many those were.

    A run that an interrupted publication left unfinished is deleted and published again. Raises MissingError where
    the server or the database does not take them.
    """
    place = store.address(uri, root)
    store.prepare(place)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        client = MlflowClient(place)
        number = _experiment(client, experiment, root, local=not store.is_server(place))
        published = [_publish(client, number, run) for run in runs]
        chosen = {run.tags[SETTINGS] for run in runs}
        shown = [run.info.run_id for run in _newest(client, number) if run.data.tags.get(SETTINGS) in chosen]
        _save_views(client, number, runs, shown)
    except (MlflowException, RequestException) as error:
        raise store.refused(place, error) from None
    return sum(new for _, new in published)


def newest(place: str, experiment: str) -> tuple[str, list[str]]:
    """The experiment's id and the ids of the newest finished run of every cell, and of the same cell with the same
    settings on every other hardware, by name; "" and none where absent.

    Raises MissingError where the server or the database does not answer.
    """
    store.prepare(place)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        client = MlflowClient(place)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return "", []
        return str(found.experiment_id), [run.info.run_id for run in _newest(client, found.experiment_id)]
    except (MlflowException, RequestException) as error:
        raise store.refused(place, error) from None


def _newest(client: Any, experiment: str) -> list[Any]:
    """The newest finished run of every cell, each followed by the newest of the same settings on other hardware."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for run in client.search_runs([experiment], f"tags.`{ENTRY}` != ''", order_by=["start_time DESC"]):
        tags = run.data.tags
        of_cell = found.setdefault((tags.get("source", ""), tags.get("variant", "")), {})
        first = next(iter(of_cell.values()), run)
        if run.info.status == "FINISHED" and tags.get(SETTINGS) == first.data.tags.get(SETTINGS):
            of_cell.setdefault(tags.get("hardware", ""), run)
    return [of_cell[name] for _, of_cell in sorted(found.items()) for name in sorted(of_cell)]


def _experiment(client: Any, name: str, root: Path, local: bool) -> str:
    """The experiment's id; its kind is model training, and accuracy the figure that its pages begin with."""
    found = client.get_experiment_by_name(name)
    if found:
        return str(found.experiment_id)
    place = (root.resolve() / "mlruns" / name).as_uri() if local else None
    tags = {"mlflow.experimentKind": "custom_model_development", "mlflow.experiment.primaryMetric.name": "accuracy"}
    return str(client.create_experiment(name, artifact_location=place, tags=tags))


def _save_views(client: Any, experiment: str, runs: Sequence[CellRun], run_ids: Sequence[str]) -> None:
    """Stores the views under fixed keys, so that their addresses stay what they are."""
    known = client.get_experiment(experiment).tags
    for key, text in view.views(runs, run_ids).items():
        if known.get(f"{view.TAG}{key}") != text:
            client.set_experiment_tag(experiment, f"{view.TAG}{key}", text)


def _publish(client: Any, experiment: str, run: CellRun) -> tuple[str, bool]:
    """The id of a cell's run, and whether it is new: the same entry is not published twice."""
    known = client.search_runs([experiment], f"tags.`{ENTRY}` = '{run.entry}'")
    finished = [found.info.run_id for found in known if found.info.status == "FINISHED"]
    for found in known:
        if found.info.run_id not in finished[:1]:
            client.delete_run(found.info.run_id)
    if finished:
        return str(finished[0]), False
    twins = client.search_runs([experiment], f"tags.`{SETTINGS}` = '{run.tags[SETTINGS]}'")
    elsewhere = any(twin.data.tags.get("hardware") != run.tags["hardware"] for twin in twins)
    name = f"{run.shown} on {run.tags['hardware']}" if elsewhere else run.shown  # charts call runs by their names
    # a publication that stops here, for whatever reason, leaves a run that is not FINISHED: the next one deletes it
    number = str(client.create_run(experiment, run_name=name, tags={**run.tags, ENTRY: run.entry}).info.run_id)
    _fill(client, number, run)
    client.set_terminated(number, "FINISHED")
    return number, True


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
    if run.samples:
        client.log_table(number, _table(run), view.SAMPLES)
    for path in run.documents:
        client.log_artifact(number, str(path), "results")


def _table(run: CellRun) -> dict[str, list[Any]]:
    """Exactly these two columns: the UI then lines runs up by prompt and shows the pictures."""
    from mlflow import Image

    return {"prompt": [prompt for prompt, _ in run.samples],
            "image": [Image(read_picture(path)) for _, path in run.samples]}


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
