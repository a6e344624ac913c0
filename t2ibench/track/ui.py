"""Starts the MLflow UI on loopback in its light form: one worker, no job runner. Usage: python -m t2ibench.track.ui"""

import argparse
import os
import sys
from pathlib import Path

from t2ibench.track.mlflow import address


def main() -> None:
    """Prints the address, then becomes the server: Ctrl-C stops it."""
    parser = argparse.ArgumentParser(description="the MLflow UI on 127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    port = parser.parse_args().port
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    print(f"MLflow opens at http://127.0.0.1:{port} in some 15 seconds; Ctrl-C stops it", flush=True)
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--host", "127.0.0.1", "--port",
                              str(port), "--backend-store-uri", address(None, Path.cwd())])


if __name__ == "__main__":
    main()
