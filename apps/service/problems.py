"""Error responses: problem details for HTTP APIs (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from models_ml.errors import ModelError, UnknownIdError
from warehouse.errors import RecomartError
from warehouse.validation_messages import locate_problem

MEDIA_TYPE = "application/problem+json"


class InvalidValue(BaseModel):
    """An invalid value of a request."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    location: str
    """Path to the value, such as `body.basket.0.strength` or `query.n`."""

    message: str
    """Why the value is invalid."""


class Problem(BaseModel):
    """Why the request failed."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "title": "Unprocessable Entity",
                    "status": 422,
                    "detail": "the request is invalid. See `errors`",
                    "errors": [{"location": "query.n", "message": "it must be at most 1000"}],
                }
            ]
        },
    )

    title: str
    """Name of the HTTP status."""

    status: int
    """HTTP status code."""

    detail: str
    """Reason of the failure, and the remedy."""

    errors: list[InvalidValue] = []
    """The invalid values, for status 422."""


def _document_response(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": description, "model": Problem}}


INVALID_RESPONSE = _document_response(422, "The request is invalid; `errors` names the values and the reasons.")
NOT_FOUND_RESPONSE = _document_response(404, "The product is unknown to the model.")
NOT_READY_RESPONSE = _document_response(
    503, "Nothing is published yet, or the model is missing; `detail` contains the remedy."
)
FAILED_RESPONSE = _document_response(500, "Internal error. See the log of the service.")


def _build_response(status: int, detail: str, errors: list[InvalidValue] | None = None) -> JSONResponse:
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors or [])
    return JSONResponse(problem.model_dump(), status_code=status, media_type=MEDIA_TYPE)


class ProblemDetailsApp(FastAPI):
    """An application whose OpenAPI description has the media type of problem details."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description; FastAPI describes every response as plain JSON."""
        description = super().openapi()
        for methods in description["paths"].values():
            for operation in methods.values():
                for status, response in operation["responses"].items():
                    if status >= "400" and "application/json" in response["content"]:
                        response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
        return description


def add_error_handlers(app: FastAPI) -> None:
    """Make every error response of the application a problem."""

    @app.exception_handler(RecomartError)
    def handle_not_ready(_: Request, error: RecomartError) -> JSONResponse:
        return _build_response(503, str(error))

    @app.exception_handler(ModelError)
    def handle_model_error(_: Request, error: ModelError) -> JSONResponse:
        return _build_response(404 if isinstance(error, UnknownIdError) else 422, str(error))

    @app.exception_handler(RequestValidationError)
    def handle_invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
        values = []
        for item in error.errors():
            location, message = _describe_invalid_value(item, request)
            values.append(InvalidValue(location=_replace_surrogates(location), message=_replace_surrogates(message)))
        return _build_response(422, "the request is invalid. See `errors`", values)

    @app.exception_handler(HTTPException)
    def handle_http_error(_: Request, error: HTTPException) -> JSONResponse:
        response = _build_response(error.status_code, f"{error.detail}. See /openapi.json for all paths")
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    def handle_unexpected_error(*_: object) -> JSONResponse:
        return _build_response(500, "internal error. See the log of the service")


def _describe_invalid_value(error: Any, request: Request) -> tuple[str, str]:
    """Return the location of an invalid value, and why it is invalid."""
    if error["type"] == "json_invalid":
        return "body", f"the body is not valid JSON (character {error['loc'][1]})"
    if error["loc"] == ("body",) and "json" not in request.headers.get("content-type", ""):
        return "body", "the body is not read as JSON. Send it with the header Content-Type: application/json"
    if error["type"] == "extra_forbidden":
        # FastAPI puts the place of a value, such as body, before the path in the model of the request.
        field = getattr(request.scope.get("route"), "body_field", None)
        model = None if field is None else field.field_info.annotation
        inner_error: Any = {**error, "loc": error["loc"][1:]}
        path, message = locate_problem(inner_error, model, "field")
        return f"{error['loc'][0]}.{path}", message
    return locate_problem(error, noun="field")


def _replace_surrogates(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can represent and UTF-8 cannot."""
    return text.encode("utf-8", errors="replace").decode()
