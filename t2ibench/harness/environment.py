"""The environment of a stage: no telemetry, no surprise downloads, no chatter, all cores, shared with others."""

import os
import warnings

SETTINGS = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_OFFLINE": "1",  # weights come from `make fetch`, never from a stage
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": str(os.cpu_count() or 1),  # ultralytics would set 1 where it is unset
    "GOMP_SPINCOUNT": "2000",  # a thread that waits spins for microseconds, not milliseconds: docs/performance.md
}


def quiet() -> None:
    """Sets what the user has not set. Call it before a heavy library is imported."""
    for key, value in SETTINGS.items():
        os.environ.setdefault(key, value)
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch")  # torch about its own torch.jit
