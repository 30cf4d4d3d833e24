"""The service: what can be asked over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query, Request

from apps.recommendation_queries import RecommendationQueries
from apps.service.live_recommendations import RETRY_DELAY_SECONDS, PublicationFollower
from apps.service.problems import (
    FAILED_RESPONSE,
    INVALID_RESPONSE,
    NOT_FOUND_RESPONSE,
    NOT_READY_RESPONSE,
    ProblemDetailsApp,
    add_error_handlers,
)
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

Whoever or whatever is unknown is answered with what is popular, and told so: `is_fallback` is true, `notes` says why.
Every answer names the version it was made from; when the shop publishes anew, the service moves on by itself.
Every error is an `application/problem+json`.
"""


async def _get_queries(request: Request) -> RecommendationQueries:
    live: PublicationFollower = request.app.state.follower
    return live.queries


Queries = Annotated[RecommendationQueries, Depends(_get_queries)]
UserId = Annotated[
    str, Path(min_length=1, max_length=MAX_ID_LENGTH, description="A customer's id.", examples=["u00054"])
]
ProductId = Annotated[
    str, Path(min_length=1, max_length=MAX_ID_LENGTH, description="A product's id.", examples=["p00447"])
]
ListLengthQuery = Annotated[ListLength, Query()]


def create_app(settings: Settings, retry_delay_seconds: float = RETRY_DELAY_SECONDS) -> FastAPI:
    """The service over one warehouse; what is published is opened when the server starts.

    What cannot be opened is tried again after so many seconds.
    """

    @asynccontextmanager
    async def run_follower(app: FastAPI) -> AsyncIterator[None]:
        app.state.follower = live = PublicationFollower(settings, retry_delay_seconds)
        live.start()
        yield
        live.stop()

    app = ProblemDetailsApp(
        title="RecoMart",
        description=DESCRIPTION,
        version=version("recomart"),
        lifespan=run_follower,
        # Their pages would be fetched from elsewhere; /openapi.json is all that a viewer needs.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        responses=INVALID_RESPONSE | NOT_READY_RESPONSE | FAILED_RESPONSE,
    )
    add_error_handlers(app)

    @app.head("/health", include_in_schema=False)
    @app.get("/health", tags=["service"])
    def get_health(live: Queries, request: Request) -> Health:
        """Whether the service can answer, and from which version.

        503 as long as there is nothing to answer from.
        """
        problem = request.app.state.follower.problem
        return Health(status="degraded" if problem else "ok", version=Version.from_queries(live), problem=problem)

    @app.get("/model", tags=["service"])
    def get_model(live: Queries) -> ModelInfo:
        """The card of the model: what it was trained on, how, and how well it ranks."""
        return ModelInfo(version=Version.from_queries(live), card=live.recommender.card)

    @app.get("/customers/{user_id:path}/recommendations", tags=["recommendations"])
    def recommend_for_customer(user_id: UserId, live: Queries, n: ListLengthQuery = 10) -> RecommendationList:
        """A customer's published list, the shop's rules applied."""
        return RecommendationList.from_result(live, live.recommend_for_customer(user_id, n))

    @app.post("/recommendations", tags=["recommendations"])
    def recommend_for_basket(request: BasketRequest, live: Queries) -> RecommendationList:
        """A fresh list for whoever holds a basket, among the products that may be offered."""
        basket = request.sum_strengths(live)
        return RecommendationList.from_result(
            live, live.recommend_for_basket(basket, request.n, request.allowed_products, request.excluded_products)
        )

    @app.get("/products/{product_id:path}/similar", tags=["recommendations"])
    def find_similar_products(product_id: ProductId, live: Queries, n: ListLengthQuery = 10) -> RecommendationList:
        """The products most like a product, among those that may be offered: the largest cosines of their factors."""
        return RecommendationList.from_result(live, live.find_similar(product_id, n))

    @app.get(
        "/customers/{user_id:path}/explanations/{product_id:path}", tags=["explanations"], responses=NOT_FOUND_RESPONSE
    )
    def explain_for_customer(user_id: UserId, product_id: ProductId, live: Queries) -> Explanation:
        """What every past product of a customer adds to the model's score of a product."""
        return Explanation.from_result(live, live.explain(product_id, user_id=user_id))

    @app.post("/explanations", tags=["explanations"], responses=NOT_FOUND_RESPONSE)
    def explain_for_basket(request: ExplanationRequest, live: Queries) -> Explanation:
        """What every product of a basket adds to the model's score of a product."""
        return Explanation.from_result(live, live.explain(request.product_id, basket=request.sum_strengths(live)))

    return app
