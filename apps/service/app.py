"""The HTTP application: its paths and their documentation."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.routing import iter_route_contexts
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.types import ASGIApp

from apps.recommendations import recommendation_lists
from apps.recommendations.recommendation_queries import RecommendationQueries
from apps.service.json_body import LimitedJsonRoute
from apps.service.problems import (
    FAILED_RESPONSE,
    INVALID_RESPONSE,
    LIMIT_RESPONSES,
    NOT_FOUND_RESPONSE,
    NOT_READY_RESPONSE,
    ProblemDetailsApp,
    add_error_handlers,
)
from apps.service.publication_follower import PublicationFollower
from apps.service.request_guard import RequestGuard
from apps.service.schemas import (
    MAX_ID_LENGTH,
    BasketRequest,
    Explanation,
    ExplanationRequest,
    Health,
    ListLength,
    LogHealth,
    ModelInfo,
    Placement,
    RecommendationList,
    SessionId,
    UserId,
    Version,
)
from apps.service.served_list_log import ServedList, ServedListLog
from apps.service.service_metrics import ServiceMetrics
from warehouse.hosts import is_loopback
from warehouse.publishing.placement_queries import UnknownPlacementError, get_placement
from warehouse.settings import Settings

DESCRIPTION = """\
Personal recommendations from the published copy of a RecoMart warehouse and the model that made it.

For an unknown customer, basket or product the service returns popular products; then `is_fallback` is true and `notes`
states the reason. Every response names the published version that it comes from. The service switches to a newly
published version without a restart. Every error response has the media type `application/problem+json`.

Every list has a `recommendation_id`, under which the log of recommendations has it, with `user_id`, `session_id` and
`placement` of the request. Send the id back with the impressions of the products, so that RecoMart measures their
effect. In an experiment, the customer decides the arm, and the session that of a request without a customer.

When the service listens to more than its own machine, every request but `/health` needs an API key in the header
`Authorization: Bearer KEY`: `/metrics` a key with the scope `metrics`, all others one with the scope `recommendations`.
"""


WORKER_THREADS = max(4, os.cpu_count() or 1)
"""Requests that are computed at the same time; the others wait. On two cores and with 64 clients, anyio's 40 threads
delay the thread that reads and writes all requests: `/health` takes 1,044 ms instead of 84
(docs/benchmarks/stress.md)."""


async def _get_queries(request: Request) -> RecommendationQueries:
    follower: PublicationFollower = request.app.state.follower
    return follower.queries


async def _get_log(request: Request) -> ServedListLog:
    log: ServedListLog = request.app.state.log
    return log


Queries = Annotated[RecommendationQueries, Depends(_get_queries)]
Log = Annotated[ServedListLog, Depends(_get_log)]
UserPath = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH, description="Customer id.", examples=["u00054"])]
ProductId = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH, description="Product id.", examples=["p00447"])]
CategoryPath = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH, description="Category.", examples=["audio"])]
METRICS_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Requests by route and status, response times, requests in flight, the state of the version.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}
ListLengthQuery = Annotated[ListLength, Query()]
UserIdQuery = Annotated[UserId, Query()]
SessionIdQuery = Annotated[SessionId, Query()]
PlacementQuery = Annotated[Placement, Query()]

router = APIRouter(route_class=LimitedJsonRoute)


@router.head("/health", include_in_schema=False)
@router.get("/health", tags=["service"])
async def get_health(queries: Queries, log: Log, request: Request) -> Health:
    """Return whether the service is ready, and its version.

    The status is 503 until a published copy is open.
    """
    problem = request.app.state.follower.problem
    return Health(
        status="degraded" if problem else "ok",
        version=Version.from_queries(queries),
        problem=problem,
        log=LogHealth(status=log.status, problem=log.problem, lost_count=log.lost_count),
    )


@router.get("/metrics", tags=["service"], response_class=Response, responses=METRICS_RESPONSE)
async def get_metrics(request: Request) -> Response:
    """Return the figures of the service in Prometheus' text format."""
    state = request.app.state
    return Response(state.metrics.build_page(state.follower), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@router.get("/model", tags=["service"])
def get_model(queries: Queries) -> ModelInfo:
    """Return the model card: training data, settings and ranking metrics."""
    return ModelInfo(version=Version.from_queries(queries), card=queries.recommender.card)


@router.get("/customers/{user_id:path}/recommendations", tags=["recommendations"])
def recommend_for_customer(
    user_id: UserPath,
    queries: Queries,
    log: Log,
    n: ListLengthQuery = 10,
    session_id: SessionIdQuery = None,
    placement: PlacementQuery = "home",
) -> RecommendationList:
    """Return the recommendations of a customer for a placement; the merchandising rules are applied."""
    result = queries.recommend_for_placement(get_placement(queries.serving_copy, placement), n, user_id=user_id)
    return _build_answer(queries, log, result, placement, session_id, user_id)


@router.get("/categories/{category:path}/recommendations", tags=["recommendations"])
def recommend_for_category(
    category: CategoryPath,
    queries: Queries,
    log: Log,
    n: ListLengthQuery = 10,
    user_id: UserIdQuery = None,
    session_id: SessionIdQuery = None,
    placement: PlacementQuery = "popular_in_category",
) -> RecommendationList:
    """Return the recommendations of a category for a placement; the merchandising rules are applied."""
    result = queries.recommend_for_placement(
        get_placement(queries.serving_copy, placement),
        n,
        user_id=user_id,
        category=category.lower(),
        visitor_id=session_id,
    )
    return _build_answer(queries, log, result, placement, session_id, user_id)


@router.get("/products/{product_id:path}/recommendations", tags=["recommendations"])
def recommend_for_product(
    product_id: ProductId,
    queries: Queries,
    log: Log,
    n: ListLengthQuery = 10,
    user_id: UserIdQuery = None,
    session_id: SessionIdQuery = None,
    placement: PlacementQuery = "product_page",
) -> RecommendationList:
    """Return the recommendations for a product's page: similar products, and products of the same orders.

    The merchandising rules are applied.
    """
    result = queries.recommend_for_placement(
        get_placement(queries.serving_copy, placement),
        n,
        user_id=user_id,
        product_id=product_id,
        visitor_id=session_id,
    )
    return _build_answer(queries, log, result, placement, session_id, user_id)


@router.post("/recommendations", tags=["recommendations"])
def recommend_for_basket(request: BasketRequest, queries: Queries, log: Log) -> RecommendationList:
    """Return recommendations for a basket, computed for this request from the products that may be recommended."""
    placement = get_placement(queries.serving_copy, request.placement)
    if placement.list_kind != "basket":
        raise UnknownPlacementError(f"placement '{placement.placement}' shows no list of a basket. Use basket")
    basket = request.sum_strengths(queries)
    result = queries.recommend_for_basket(
        basket,
        request.n,
        request.allowed_products,
        request.excluded_products,
        visitor_id=request.user_id or request.session_id,
        placement=request.placement,
    )
    return _build_answer(queries, log, result, request.placement, request.session_id, request.user_id)


@router.get("/products/{product_id:path}/similar", tags=["recommendations"])
def find_similar_products(
    product_id: ProductId,
    queries: Queries,
    log: Log,
    n: ListLengthQuery = 10,
    user_id: UserIdQuery = None,
    session_id: SessionIdQuery = None,
    placement: PlacementQuery = "product_page",
) -> RecommendationList:
    """Return the products most similar to a product, by the cosine of their factors.

    Only products that may be recommended are returned.
    """
    get_placement(queries.serving_copy, placement).check_owner(None, product_id, None)
    result = queries.find_similar(product_id, n, visitor_id=user_id or session_id)
    return _build_answer(queries, log, result, placement, session_id, user_id)


def _build_answer(
    queries: RecommendationQueries,
    log: ServedListLog,
    result: recommendation_lists.RecommendationList,
    placement: str,
    session_id: str | None,
    user_id: str | None,
) -> RecommendationList:
    """Return a query result as a response, and log it."""
    answer = RecommendationList.from_result(queries, result)
    log.append(
        ServedList(
            recommendation_id=answer.recommendation_id,
            served_at=datetime.now(UTC),
            user_id=user_id,
            session_id=session_id,
            placement=placement,
            experiment=result.experiment,
            arm=result.arm,
            run_id=result.run_id,
            product_ids=[item.product_id for item in answer.recommendations],
            is_fallback=answer.is_fallback,
        )
    )
    return answer


@router.get(
    "/customers/{user_id:path}/explanations/{product_id:path}", tags=["explanations"], responses=NOT_FOUND_RESPONSE
)
def explain_for_customer(user_id: UserPath, product_id: ProductId, queries: Queries) -> Explanation:
    """Return what each past product of a customer adds to the model's score of a product."""
    return Explanation.from_result(queries, queries.explain(product_id, user_id=user_id))


@router.post("/explanations", tags=["explanations"], responses=NOT_FOUND_RESPONSE)
def explain_for_basket(request: ExplanationRequest, queries: Queries) -> Explanation:
    """Return what each product of a basket adds to the model's score of a product."""
    return Explanation.from_result(queries, queries.explain(request.product_id, basket=request.sum_strengths(queries)))


class ServiceApp(ProblemDetailsApp):
    """The application inside its guard, which also sees the responses to unexpected errors."""

    def build_middleware_stack(self) -> ASGIApp:
        """Return the complete application."""
        return RequestGuard(
            super().build_middleware_stack(),
            list(iter_route_contexts(self.routes)),
            self.state.settings,
            self.state.metrics,
            self.state.host,
            requires_keys=self.state.requires_keys,
        )


def requires_keys(settings: Settings, host: str) -> bool:
    """Return whether the service needs API keys when it listens to `host`."""
    return not is_loopback(host) if settings.service_require_keys is None else settings.service_require_keys


def create_app(settings: Settings, host: str = "127.0.0.1") -> FastAPI:
    """Return the service for one warehouse; the server opens the published copy when it starts.

    Args:
        settings: The folders of the warehouse and the limits of the service.
        host: The address that the server listens to; it is a trusted host name, and decides whether keys are needed.
    """

    @asynccontextmanager
    async def run_threads(app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = WORKER_THREADS
        app.state.follower = follower = PublicationFollower(settings)
        follower.start()
        log.start()
        yield
        log.stop()
        follower.stop()

    app = ServiceApp(
        title="RecoMart",
        description=DESCRIPTION,
        version=version("recomart"),
        lifespan=run_threads,
        # These pages load scripts from other servers; a viewer needs only /openapi.json.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        responses=LIMIT_RESPONSES | INVALID_RESPONSE | NOT_READY_RESPONSE | FAILED_RESPONSE,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.settings, app.state.host, app.state.requires_keys = settings, host, requires_keys(settings, host)
    app.state.log = log = ServedListLog(settings)
    app.state.metrics = ServiceMetrics(log)
    add_error_handlers(app)
    app.include_router(router)
    return app
