"""Error responses: problem details for HTTP APIs (RFC 9457)."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from apps.recommendations.arm_models import ModelUnavailableError, NoModelError
from models_ml.errors import ModelError, UnknownIdError
from warehouse.errors import NothingPublishedError, PublishedCopyError, RecomartError
from warehouse.formatting import format_count
from warehouse.publishing.placement_queries import UnknownPlacementError
from warehouse.settings import Settings
from warehouse.validation_messages import locate_problem

MEDIA_TYPE = "application/problem+json"

MAX_LISTED_ERRORS = 20
"""Maximum number of invalid values in `errors`."""

MAX_TEXT_LENGTH = 200
"""Maximum number of characters of a location or message in `errors`; both can have text of the request."""

PUBLIC_REASONS: dict[type[Exception], str] = {
    NothingPublishedError: "nothing is published yet. Run `recomart run`",
    NoModelError: "no model serves. Run `recomart run`, or read in `recomart models` why a trained model was rejected",
    ModelUnavailableError: "the model of the published copy cannot be read. See the log of the service",
    PublishedCopyError: "the published copy cannot be read. See the log of the service",
}
"""Reasons that clients may know. The messages of the errors have paths and texts of DuckDB."""

# The log of the server, so that the server's log settings apply.
LOG = logging.getLogger("uvicorn.error")


class InvalidBodyError(HTTPException):
    """A body that is not valid before its fields are read."""

    def __init__(self, location: str, message: str) -> None:
        super().__init__(422, message)
        self.location = location


class NotReadyError(RecomartError):
    """No version can be used; the follower of publications has found the reason before."""

    def __init__(self, cause: str, public_reason: str) -> None:
        super().__init__(cause)
        self.public_reason = public_reason


def describe_publicly(error: Exception) -> str:
    """Return the reason of a failure in words without paths and internals."""
    if isinstance(error, NotReadyError):
        return error.public_reason
    return PUBLIC_REASONS.get(type(error), "the newest publication cannot be used. See the log of the service")


def log_cause(error: Exception) -> None:
    """Write the cause of a response with status 503 to the log."""
    LOG.error("503: %s", error)


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


LIMIT_RESPONSES = (
    _document_response(401, "The API key is missing, unknown or expired.")
    | _document_response(403, "The API key does not have the scope of this request.")
    | _document_response(408, "The request did not arrive in time.")
    | _document_response(413, "The body is too large.")
    | _document_response(421, "The host name of the request is not trusted.")
    | _document_response(429, "Too many requests at the same time; `Retry-After` has the seconds to wait.")
    | _document_response(431, "The request line and the headers are too large.")
)
INVALID_RESPONSE = _document_response(422, "The request is invalid; `errors` names the values and the reasons.")
NOT_FOUND_RESPONSE = _document_response(404, "The product is unknown to the model.")
NOT_READY_RESPONSE = _document_response(
    503, "Nothing is published yet, or copy or model cannot be read, or too many connections are open."
)
FAILED_RESPONSE = _document_response(500, "Internal error. See the log of the service.")


def build_problem_response(status: int, detail: str, errors: list[InvalidValue] | None = None) -> JSONResponse:
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors or [])
    return JSONResponse(problem.model_dump(), status_code=status, media_type=MEDIA_TYPE)


class ProblemDetailsApp(FastAPI):
    """An application whose OpenAPI description has the media type of problem details and the limits of the settings."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description; FastAPI describes every response as plain JSON."""
        description = super().openapi()
        settings: Settings = self.state.settings
        for schema in ("BasketRequest", "ExplanationRequest"):
            basket = description["components"]["schemas"][schema]["properties"]["basket"]
            basket["maxItems"] = settings.service_max_basket_items
        for methods in description["paths"].values():
            for operation in methods.values():
                for status, response in operation["responses"].items():
                    if status >= "400" and "application/json" in response["content"]:
                        response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
        return description


def add_error_handlers(app: FastAPI) -> None:
    """Make every error response of the application a problem."""

    @app.exception_handler(RecomartError)
    def handle_not_ready(request: Request, error: RecomartError) -> JSONResponse:
        log_cause(error)
        if isinstance(error, PublishedCopyError):
            request.app.state.follower.report_read_failure(error)
        return build_problem_response(503, describe_publicly(error))

    @app.exception_handler(UnknownPlacementError)
    def handle_unknown_placement(_: Request, error: UnknownPlacementError) -> JSONResponse:
        return build_problem_response(422, str(error))

    @app.exception_handler(ModelError)
    def handle_model_error(_: Request, error: ModelError) -> JSONResponse:
        return build_problem_response(404 if isinstance(error, UnknownIdError) else 422, str(error))

    @app.exception_handler(RequestValidationError)
    def handle_invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
        items = error.errors()
        listed_items = items[:MAX_LISTED_ERRORS]
        values = [_build_invalid_value(*_describe_invalid_value(item, request)) for item in listed_items]
        omitted = f" ({format_count(len(listed_items), 'value')} of {len(items):,})" if items != listed_items else ""
        return build_problem_response(422, f"the request is invalid. See `errors`{omitted}", values)

    @app.exception_handler(InvalidBodyError)
    def handle_invalid_body(_: Request, error: InvalidBodyError) -> JSONResponse:
        values = [_build_invalid_value(error.location, error.detail)]
        return build_problem_response(422, "the request is invalid. See `errors`", values)

    @app.exception_handler(HTTPException)
    def handle_http_error(_: Request, error: HTTPException) -> JSONResponse:
        response = build_problem_response(error.status_code, f"{error.detail}. See /openapi.json for all paths")
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    def handle_unexpected_error(*_: object) -> JSONResponse:
        return build_problem_response(500, "internal error. See the log of the service")


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


def _build_invalid_value(location: str, message: str) -> InvalidValue:
    return InvalidValue(location=_make_printable(location), message=_make_printable(message))


def _make_printable(text: str) -> str:
    """Cut a text, and replace halves of surrogate pairs, which JSON can represent and UTF-8 cannot."""
    shortened = text if len(text) <= MAX_TEXT_LENGTH else f"{text[:MAX_TEXT_LENGTH]}..."
    return shortened.encode("utf-8", errors="replace").decode()
