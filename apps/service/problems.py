"""What goes wrong, in one shape: problem details for HTTP APIs (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from models_ml.errors import ModelError, UnknownIdError
from warehouse.errors import RecomartError

MEDIA_TYPE = "application/problem+json"


class InvalidValue(BaseModel):
    """A value of a request that cannot be taken."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    where: str
    """Path to the value, such as `body.basket.0.strength` or `query.n`."""

    message: str
    """What is wrong with it."""


class Problem(BaseModel):
    """Why there is no answer."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "title": "Unprocessable Entity",
                    "status": 422,
                    "detail": "the request cannot be taken as it is; see `invalid`",
                    "invalid": [{"where": "query.n", "message": "Input should be less than or equal to 1000"}],
                }
            ]
        },
    )

    title: str
    """The status in words."""

    status: int
    """The HTTP status."""

    detail: str
    """What is wrong, and what to do."""

    invalid: list[InvalidValue] = []
    """The values that are wrong, for status 422."""


def _documented(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": description, "model": Problem}}


INVALID = _documented(422, "A value of the request cannot be taken; `invalid` says which and why.")
NOT_FOUND = _documented(404, "The model does not know the product.")
NOT_READY = _documented(503, "Nothing is published yet, or there is no model to answer with; `detail` says what to do.")
FAILED = _documented(500, "An error of the service; its log has more.")


def _problem(status: int, detail: str, invalid: list[InvalidValue] | None = None) -> JSONResponse:
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, invalid=invalid or [])
    return JSONResponse(problem.model_dump(), status_code=status, media_type=MEDIA_TYPE)


class ProblemApi(FastAPI):
    """An app whose description tells the media type that its errors have."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description; FastAPI itself describes every answer as plain JSON."""
        description = super().openapi()
        for methods in description["paths"].values():
            for operation in methods.values():
                for status, response in operation["responses"].items():
                    if status >= "400" and "application/json" in response["content"]:
                        response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
        return description


def answer_with_problems(app: FastAPI) -> None:
    """Give every error of the app the one shape."""

    @app.exception_handler(RecomartError)
    def not_ready(_: Request, error: RecomartError) -> JSONResponse:
        return _problem(503, str(error))

    @app.exception_handler(ModelError)
    def unusable(_: Request, error: ModelError) -> JSONResponse:
        return _problem(404 if isinstance(error, UnknownIdError) else 422, str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # The values themselves are not repeated: they may be what JSON cannot say, such as NaN.
        values = [
            InvalidValue(where=_sendable(".".join(map(str, one["loc"]))), message=_sendable(one["msg"]))
            for one in error.errors()
        ]
        return _problem(422, "the request cannot be taken as it is; see `invalid`", values)

    @app.exception_handler(HTTPException)
    def no_route(_: Request, error: HTTPException) -> JSONResponse:
        response = _problem(error.status_code, f"{error.detail}; /openapi.json lists what can be asked")
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    def failed(*_: object) -> JSONResponse:
        return _problem(500, "an error of the service; its log has more")


def _sendable(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON can write and UTF-8 cannot."""
    return text.encode("utf-8", errors="replace").decode()
