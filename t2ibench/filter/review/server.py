"""The review page's server: its files, a source's pictures, and one reviewer's decisions, on loopback.

Whoever can name a page that the reviewer opens could ask this server too, so it answers only requests that name it by
its own address (DNS rebinding) and come from its own pages (cross-site requests). Pictures are found by id in the
table; no path of a request ever reaches the disk.
"""

import io
import threading
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware.base import RequestResponseEndpoint

from t2ibench.errors import UserError
from t2ibench.filter.review.gallery import Picture
from t2ibench.filter.review.notebook import Notebook
from t2ibench.pictures import open_picture, read_bytes
from t2ibench.records import write_bytes

STATIC = Path(str(files("t2ibench.filter.review"))) / "static"
ONE_AT_A_TIME = threading.Lock()
THUMBNAIL = 256
"""Longer side in pixels above which a thumbnail is made, and its size; smaller pictures are their own."""
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
"""For addresses that carry the digest of what they show."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Change(BaseModel):
    """One keystroke: a decision of one image, or None to take it back. source and reviewer: for whom the page was
    opened, since another server may listen at its address by now."""

    model_config = ConfigDict(extra="forbid")
    source: str
    reviewer: str
    id: str
    decision: Literal["keep", "reject"] | None
    note: Annotated[str, Field(max_length=2000)] = ""


def make_app(source: str, pictures: Mapping[str, Picture], notebook: Notebook, port: int) -> FastAPI:
    """The page of one source for one reviewer; port: where it listens, which its Host header has to name."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gallery = {
        "source": source,
        "reviewer": notebook.reviewer,
        "file": str(notebook.path),
        "images": [picture.to_json() for picture in pictures.values()],
    }
    _guard(app, port)

    @app.get("/")
    def page() -> Response:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/api/gallery")
    def show() -> Response:
        return JSONResponse(gallery, headers={"Cache-Control": "no-store"})

    @app.get("/api/reviews")
    def own() -> Response:
        rows = {row.id: {"decision": row.decision, "note": row.note} for row in notebook.own().values()}
        return JSONResponse(rows, headers={"Cache-Control": "no-store"})

    @app.post("/api/reviews")
    def decide(change: Change) -> Response:
        if (change.source, change.reviewer) != (source, notebook.reviewer):
            return _refusal(409, f"this server now reviews {source} for {notebook.reviewer}: load the page again")
        if change.id not in pictures:
            return _refusal(404, f"there is no image {change.id!r}")
        notebook.put(change.id, change.decision, change.note)
        return JSONResponse({"saved": change.id})

    @app.get("/pictures/{id_}")
    def picture(id_: str) -> Response:
        found = pictures.get(id_)
        return _picture(found.path) if found else _refusal(404, f"there is no image {id_!r}")

    @app.get("/thumbnails/{id_}")
    def thumbnail(id_: str) -> Response:
        found = pictures.get(id_)
        return _picture(_thumbnail(found)) if found else _refusal(404, f"there is no image {id_!r}")

    app.mount("/static", StaticFiles(directory=STATIC))
    return app


def _guard(app: FastAPI, port: int) -> None:
    """Refuses foreign Host and Origin headers, adds the protecting headers, and turns errors into one sentence."""
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    origins = {f"http://{host}" for host in hosts}

    @app.middleware("http")
    async def only_own(request: Request, answer: RequestResponseEndpoint) -> Response:
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "none")
        if request.headers.get("host") not in hosts:
            response = _refusal(403, f"this server answers at {sorted(hosts)[0]} only")
        elif (origin is not None and origin not in origins) or site not in ("none", "same-origin"):
            response = _refusal(403, "this server answers its own page only")
        else:
            response = await answer(request)
        for key, value in HEADERS.items():
            response.headers[key] = value
        if request.url.path.startswith("/static/"):
            response.headers["Cache-Control"] = "no-cache"
        return response

    @app.exception_handler(UserError)
    def user_error(_: Request, error: UserError) -> Response:
        return _refusal(409, str(error))

    @app.exception_handler(RequestValidationError)
    def bad_request(_: Request, error: RequestValidationError) -> Response:
        fields = sorted({".".join(str(part) for part in fault["loc"]) for fault in error.errors()})
        return _refusal(422, f"source, reviewer, id, decision (keep, reject, null), note; check {', '.join(fields)}")


def _refusal(status: int, sentence: str) -> Response:
    """An answer that only says what is wrong; what no text in UTF-8 can hold is escaped."""
    content: dict[str, Any] = {"error": sentence.encode("utf-8", "backslashreplace").decode()}
    return JSONResponse(content, status)


def _picture(path: Path) -> Response:
    try:
        payload = read_bytes(path)
    except FileNotFoundError:
        return _refusal(404, f"{path.name} is no longer there; this helps: dvc checkout")
    return Response(payload, media_type="image/png", headers=FOREVER)


def _thumbnail(picture: Picture) -> Path:
    """The picture's own file where it is small, else a smaller copy, made once. Raises OSError for a broken picture."""
    if max(picture.size) <= THUMBNAIL:
        return picture.path
    path = Path(".cache/thumbnails") / f"{picture.sample.sha256}-{THUMBNAIL}.png"
    with ONE_AT_A_TIME:
        if not path.is_file():
            with open_picture(picture.path) as file, Image.open(file) as image:
                small = image.convert("RGB")
            small.thumbnail((THUMBNAIL, THUMBNAIL), reducing_gap=2.0)
            buffer = io.BytesIO()
            small.save(buffer, "PNG", compress_level=1)
            write_bytes(path, buffer.getvalue())
    return path
