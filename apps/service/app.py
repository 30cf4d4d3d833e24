"""The HTTP application: its paths and their documentation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query, Request

from apps.recommendation_queries import RecommendationQueries
from apps.service.problems import (
    FAILED_RESPONSE,
    INVALID_RESPONSE,
    NOT_FOUND_RESPONSE,
    NOT_READY_RESPONSE,
    ProblemDetailsApp,
    add_error_handlers,
)
from apps.service.publication_follower import RETRY_DELAY_SECONDS, PublicationFollower
from apps.service.schemas import (
    MAX_ID_LENGTH,
    BasketRequest,
    Explanation,
    ExplanationRequest,
    Health,
    ListLength,
    ModelInfo,
    RecommendationList,
    Version,
)
from warehouse.settings import Settings

DESCRIPTION = """\
Personal recommendations from the published copy of a RecoMart warehouse and the model that made it.

For an unknown customer, basket or product the service returns popular products; then `is_fallback` is true and `notes`
states the reason. Every response names the published version that it comes from. The service switches to a newly
published version without a restart. Every error response has the media type `application/problem+json`.
"""


async def _get_queries(request: Request) -> RecommendationQueries:
    follower: PublicationFollower = request.app.state.follower
    return follower.queries


Queries = Annotated[RecommendationQueries, Depends(_get_queries)]
UserId = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH, description="Customer id.", examples=["u00054"])]
ProductId = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH, description="Product id.", examples=["p00447"])]
ListLengthQuery = Annotated[ListLength, Query()]


def create_app(settings: Settings, retry_delay_seconds: float = RETRY_DELAY_SECONDS) -> FastAPI:
    """Return the service for one warehouse; the server opens the published copy when it starts.

    A version that cannot be opened is tried again after `retry_delay_seconds`.
    """

    @asynccontextmanager
    async def run_follower(app: FastAPI) -> AsyncIterator[None]:
        app.state.follower = follower = PublicationFollower(settings, retry_delay_seconds)
        follower.start()
        yield
        follower.stop()

    app = ProblemDetailsApp(
        title="RecoMart",
        description=DESCRIPTION,
        version=version("recomart"),
        lifespan=run_follower,
        # These pages load scripts from other servers; a viewer needs only /openapi.json.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        responses=INVALID_RESPONSE | NOT_READY_RESPONSE | FAILED_RESPONSE,
    )
    add_error_handlers(app)

    @app.head("/health", include_in_schema=False)
    @app.get("/health", tags=["service"])
    def get_health(queries: Queries, request: Request) -> Health:
        """Return whether the service is ready, and its version.

        The status is 503 until a published copy is open.
        """
        problem = request.app.state.follower.problem
        return Health(status="degraded" if problem else "ok", version=Version.from_queries(queries), problem=problem)

    @app.get("/model", tags=["service"])
    def get_model(queries: Queries) -> ModelInfo:
        """Return the model card: training data, settings and ranking metrics."""
        return ModelInfo(version=Version.from_queries(queries), card=queries.recommender.card)

    @app.get("/customers/{user_id:path}/recommendations", tags=["recommendations"])
    def recommend_for_customer(user_id: UserId, queries: Queries, n: ListLengthQuery = 10) -> RecommendationList:
        """Return the published recommendations of a customer; the merchandising rules are applied."""
        return RecommendationList.from_result(queries, queries.recommend_for_customer(user_id, n))

    @app.post("/recommendations", tags=["recommendations"])
    def recommend_for_basket(request: BasketRequest, queries: Queries) -> RecommendationList:
        """Return recommendations for a basket, computed for this request from the products that may be recommended."""
        basket = request.sum_strengths(queries)
        return RecommendationList.from_result(
            queries,
            queries.recommend_for_basket(basket, request.n, request.allowed_products, request.excluded_products),
        )

    @app.get("/products/{product_id:path}/similar", tags=["recommendations"])
    def find_similar_products(product_id: ProductId, queries: Queries, n: ListLengthQuery = 10) -> RecommendationList:
        """Return the products most similar to a product, by the cosine of their factors.

        Only products that may be recommended are returned.
        """
        return RecommendationList.from_result(queries, queries.find_similar(product_id, n))

    @app.get(
        "/customers/{user_id:path}/explanations/{product_id:path}", tags=["explanations"], responses=NOT_FOUND_RESPONSE
    )
    def explain_for_customer(user_id: UserId, product_id: ProductId, queries: Queries) -> Explanation:
        """Return what each past product of a customer adds to the model's score of a product."""
        return Explanation.from_result(queries, queries.explain(product_id, user_id=user_id))

    @app.post("/explanations", tags=["explanations"], responses=NOT_FOUND_RESPONSE)
    def explain_for_basket(request: ExplanationRequest, queries: Queries) -> Explanation:
        """Return what each product of a basket adds to the model's score of a product."""
        return Explanation.from_result(
            queries, queries.explain(request.product_id, basket=request.sum_strengths(queries))
        )

    return app
