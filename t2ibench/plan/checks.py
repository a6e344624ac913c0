"""One function for each thing that a study needs. Each gives findings; none loads a model or imports torch."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal

from t2ibench import weights
from t2ibench.errors import UserError
from t2ibench.harness import config, paths, timing
from t2ibench.hub import SCHEME, catalogue, verify
from t2ibench.plan import costs, counting, machine, stored
from t2ibench.plan.table import size

State = Literal["ok", "look", "missing"]
BUNDLED_MEMORY = 1.5e9
"""Bytes that a stage takes with the bundled models: 1.0 * 10^9 measured, and a half more."""
OLDEST = (3, 11)
LOCK = "make lock, or delete .venv and run any make target: it installs requirements.lock"


@dataclass(frozen=True)
class Finding:
    """What was found. state: `look` does not stop the study, `missing` does; help: the command that helps."""

    what: str
    state: State
    found: str
    help: str = ""


@dataclass
class Study:
    """What the checks look at: the parameters, and what is still to be made and fetched."""

    params: config.Params
    cells: list[counting.Cell] = field(init=False)
    downloads: list[costs.Download] = field(init=False)
    models: list[catalogue.Entry] = field(init=False)

    def __post_init__(self) -> None:
        """Raises ConfigError for a model that the catalogue does not know."""
        self.downloads = costs.downloads(self.params)
        self.models = [catalogue.entry(uri) for uri in stored.named(self.params) if uri.startswith(SCHEME)]
        self.cells = counting.count(self.params)

    @property
    def bytes(self) -> int:
        """Of what is still to be made and fetched."""
        made = sum(costs.cost(self.params, cell, []).bytes for cell in self.cells)
        return made + sum(one.bytes for one in self.downloads)


def python(_: Study) -> Iterator[Finding]:
    """The interpreter, and that what the stages import is installed."""
    version = platform.python_version()
    old = sys.version_info < OLDEST
    yield Finding("Python", "missing" if old else "ok", version, "make PYTHON=python3.12 …" if old else "")
    absent = [name for name in ("torch", "diffusers", "open_clip_torch", "ultralytics", "spandrel", "openai", "mlflow",
                                "dvc") if not _installed(name)]
    found = f"torch {metadata.version('torch')}" if "torch" not in absent else ""
    yield Finding("libraries", "missing" if absent else "ok", f"without {', '.join(absent)}" if absent else found,
                  LOCK if absent else "")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def device(study: Study) -> Iterator[Finding]:
    """The processor or GPU that params.yaml names, its driver, its memory against the models' need."""
    hardware = study.params.hardware
    gpu = machine.gpu() if hardware.device != "cpu" else None
    dtype = hardware.dtype
    if gpu is None and hardware.device == "cuda":
        yield Finding("device", "missing", f"hardware {hardware.name} wants a CUDA device, and no driver names one",
                      "install NVIDIA's driver, or dvc exp run -S hardware=cpu")
        return
    if gpu is None:
        if dtype != "float32":
            yield Finding("device", "missing", f"{dtype} on a processor", "dvc exp run -S hardware.dtype=float32")
        yield Finding("device", "ok", f"{timing.device()['device']}, {os.cpu_count()} cores")
        yield _memory(study, "memory", machine.memory(), "a machine with more, or smaller models (conf/models)")
        return
    yield Finding("device", "ok", f"{gpu.name}, driver {gpu.driver}")
    if "+cpu" in metadata.version("torch"):
        yield Finding("torch", "missing", f"torch {metadata.version('torch')} was built without CUDA", LOCK)
    if dtype == "bfloat16" and gpu.capability < (8, 0):
        yield Finding("dtype", "missing", f"{gpu.name} has no bfloat16", "dvc exp run -S hardware.dtype=float16")
    yield _memory(study, "GPU memory", gpu.memory, "dvc exp run -S hardware=… of a larger card, or a smaller model")
    need = _need(study)
    if gpu.free < need <= gpu.memory:
        yield Finding("GPU in use", "look", f"{size(gpu.free, True)} free now, {size(round(need), True)} needed",
                      "nvidia-smi names who uses it")


def _need(study: Study) -> float:
    """Bytes that the largest model takes, one image at a time."""
    dtype = study.params.hardware.dtype
    each = [one.memory_gb.get(dtype, one.memory_gb.get("float32", 0.0)) * 1e9 for one in study.models]
    return max([BUNDLED_MEMORY, *each])


def _memory(study: Study, what: str, there: int, help: str) -> Finding:
    need = _need(study)
    short = need > there
    return Finding(what, "missing" if short else "ok",
                   f"{size(there, True)}; the largest model needs {size(round(need), True)} for an image",
                   help if short else "")


def disk(study: Study) -> Iterator[Finding]:
    """Free space against what is still to be made and fetched."""
    need, free = study.bytes, shutil.disk_usage(paths.root()).free
    short = need > free
    yield Finding("disk", "missing" if short else "ok", f"{size(free, True)} free; the plan needs {size(need, False)}"
                  if need else f"{size(free, True)} free; nothing is left to store", "dvc gc -w" if short else "")


def engines(study: Study) -> Iterator[Finding]:
    """What engines refuse: a retired model, a folder that has changed, weights that cannot be used."""
    missing = [one.title for one in study.downloads]
    reasons = [cell.why for cell in study.cells if cell.why]
    for reason in dict.fromkeys(reasons):
        if not any(reason.startswith(title) for title in missing):  # `weights` says it better
            what, _, help = reason.partition("; this helps: ")
            yield Finding("engines", "missing", what, help)
    if not reasons:
        yield Finding("engines", "ok", "all accept their settings")


def files(study: Study) -> Iterator[Finding]:
    """Caption files and recordings that prompts and images are read from."""
    params = study.params
    nodes = {f"prompts.{name}": params.prompts[name] for name in {s.prompts for s in params.sources.values()}}
    for key, node in sorted(nodes.items()):
        for name in ("captions", "recording"):
            given = node.get(name)
            for path in given if isinstance(given, list) else [given]:  # hub:// names are `weights`' to find
                if path is not None and not path.startswith(SCHEME) and not Path(path).is_file():
                    yield Finding("files", "missing", f"{key}.{name}: there is no {path}",
                                  "git checkout -- t2ibench/prompts, or give the path of the file")


def weights_here(study: Study) -> Iterator[Finding]:
    """Every model that the study names, against its recorded digests."""
    good = 0
    for uri in stored.named(study.params):
        try:
            weights.locate(uri)
            good += 1
        except UserError as error:
            what, _, help = str(error).partition("; this helps: ")
            yield Finding("weights", "missing", what, help)
    if good:
        yield Finding("weights", "ok", f"{good} models have their recorded digests")


def licences(study: Study) -> Iterator[Finding]:
    """Licences of the published models, and those whose terms have to be accepted before they can be fetched."""
    absent = {one.name for one in study.downloads}
    for licence in sorted({one.licence for one in study.models}):
        names = [one.name for one in study.models if one.licence == licence]
        yield Finding("licence", "ok", f"{licence}: {', '.join(names)}")
    for one in study.models:
        if one.terms and one.name in absent:
            yield Finding("licence", "look", f"{one.name} is fetched with an account that has accepted its terms",
                          "accept them on the model's page, then hf auth login, or export HF_TOKEN=…")
    if not study.models:
        yield Finding("licence", "ok", "bundled models only: the project's own")


def revisions(study: Study) -> Iterator[Finding]:
    """Whether revision and digests of the published models are pinned; if not, the line that pins what is here."""
    for one in study.models:
        lines = verify.open_lines([one])
        if one.settled:
            yield Finding("revision", "ok", f"{one.name} is pinned")
        elif lines:
            yield Finding("revision", "look", f"{one.name} is here and not wholly pinned",
                          f"commit to {verify.where()}: {lines[0]}")
        else:
            yield Finding("revision", "look", f"{one.name} is not wholly pinned",
                          "make fetch, then make doctor prints the line to commit")
