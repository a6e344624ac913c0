"""MLflow's UI in this process: one worker, no job runner, no telemetry, and the model-training view by default.

`mlflow ui` starts a second process that loads everything again, and cannot choose the view: MLflow 3.17 shows a
browser that has not been there before its GenAI side, whatever the experiment's kind is.
"""

import json
import os
import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIGHT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
DEFAULTS = {"mlflow.workflowType_v1": '"machine_learning"', "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true"}
"""What the UI keeps in the browser, where nobody has chosen yet: the switch in its sidebar stands at "Model training",
and the assistant does not open by itself over a quarter of the page."""


def serve(store: str, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serves until SIGINT or SIGTERM, which it raises again once it has stopped.

    store: the database's address; listening: a bound socket; ready: called when requests are answered.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    settings = uvicorn.Config(_app(store), log_level="warning", timeout_graceful_shutdown=2)
    Server(settings).run([listening])


def _app(store: str) -> Any:
    """MLflow's own application, its first page handed out with DEFAULTS."""
    os.environ.update(LIGHT)
    warnings.filterwarnings("ignore", module="mlflow")  # its own deprecations are nothing to the user
    from mlflow.server import constants

    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: store,
        constants.REGISTRY_STORE_URI_ENV_VAR: store,
        constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",  # of runs that others send to this server
        constants.ARTIFACTS_DESTINATION_ENV_VAR: str(Path("mlruns").resolve()),
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
    }
    from mlflow.server import app as flask
    from mlflow.server.fastapi_app import app
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    page = Path(flask.static_folder, "index.html").read_text(encoding="utf-8")
    page = page.replace("<head>", f"<head><script>{_script()}</script>", 1)

    async def first_page(_: Any) -> HTMLResponse:
        return HTMLResponse(page, headers={"Cache-Control": "no-cache"})

    app.router.routes.insert(0, Route("/", first_page))
    return app


def _script() -> str:
    """Sets the DEFAULTS that the browser does not have; what a person chose stays."""
    return (f"for (const [key, value] of Object.entries({json.dumps(DEFAULTS)})) "
            "if (localStorage.getItem(key) === null) localStorage.setItem(key, value);")
