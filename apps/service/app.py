"""The service: what can be asked over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query, Request

from apps.recommendation_queries import Storefront
from apps.service.live_recommendations import TRIED_AGAIN_AFTER_SECONDS, LiveStorefront
from apps.service.problems import FAILED, INVALID, NOT_FOUND, NOT_READY, ProblemApi, answer_with_problems
from apps.service.schemas import (
    LONGEST_ID,
    BasketRequest,
    Explanation,
    ExplanationRequest,
    Health,
    HowMany,
    Model,
    Offers,
    Version,
)
from warehouse.settings import Settings

DESCRIPTION = """\
Personal recommendations from the published copy of a RecoMart warehouse and the model that made it.

Whoever or whatever is unknown is answered with what is popular, and told so: `is_fallback` is true, `notes` says why.
Every answer names the version it was made from; when the shop publishes anew, the service moves on by itself.
Every error is an `application/problem+json`.
"""


async def _storefront(request: Request) -> Storefront:
    live: LiveStorefront = request.app.state.live
    return live.storefront


Live = Annotated[Storefront, Depends(_storefront)]
UserId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID, description="A customer's id.", examples=["u00054"])]
ProductId = Annotated[
    str, Path(min_length=1, max_length=LONGEST_ID, description="A product's id.", examples=["p00447"])
]
QueryN = Annotated[HowMany, Query()]


def create_app(settings: Settings, tried_again_after: float = TRIED_AGAIN_AFTER_SECONDS) -> FastAPI:
    """The service over one warehouse; what is published is opened when the server starts.

    What cannot be opened is tried again after so many seconds.
    """

    @asynccontextmanager
    async def following(app: FastAPI) -> AsyncIterator[None]:
        app.state.live = live = LiveStorefront(settings, tried_again_after)
        live.start()
        yield
        live.stop()

    app = ProblemApi(
        title="RecoMart",
        description=DESCRIPTION,
        version=version("recomart"),
        lifespan=following,
        # Their pages would be fetched from elsewhere; /openapi.json is all that a viewer needs.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        responses=INVALID | NOT_READY | FAILED,
    )
    answer_with_problems(app)

    @app.head("/health", include_in_schema=False)
    @app.get("/health", tags=["service"])
    def health(live: Live, request: Request) -> Health:
        """Whether the service can answer, and from which version.

        503 as long as there is nothing to answer from.
        """
        problem = request.app.state.live.problem
        return Health(status="degraded" if problem else "ok", version=Version.of(live), problem=problem)

    @app.get("/model", tags=["service"])
    def model(live: Live) -> Model:
        """The card of the model: what it was trained on, how, and how well it ranks."""
        return Model(version=Version.of(live), card=live.recommender.card)

    @app.get("/customers/{user_id:path}/recommendations", tags=["recommendations"])
    def recommendations_for_customer(user_id: UserId, live: Live, n: QueryN = 10) -> Offers:
        """A customer's published list, the shop's rules applied."""
        return Offers.of(live, live.for_customer(user_id, n))

    @app.post("/recommendations", tags=["recommendations"])
    def recommendations_for_basket(request: BasketRequest, live: Live) -> Offers:
        """A fresh list for whoever holds a basket, among the products that may be offered."""
        basket = request.strengths(live)
        return Offers.of(live, live.for_basket(basket, request.n, request.only, request.without))

    @app.get("/products/{product_id:path}/similar", tags=["recommendations"])
    def similar_products(product_id: ProductId, live: Live, n: QueryN = 10) -> Offers:
        """The products most like a product, among those that may be offered: the largest cosines of their factors."""
        return Offers.of(live, live.similar(product_id, n))

    @app.get("/customers/{user_id:path}/explanations/{product_id:path}", tags=["explanations"], responses=NOT_FOUND)
    def explanation_for_customer(user_id: UserId, product_id: ProductId, live: Live) -> Explanation:
        """What every past product of a customer adds to the model's score of a product."""
        return Explanation.of(live, live.explain(product_id, user_id=user_id))

    @app.post("/explanations", tags=["explanations"], responses=NOT_FOUND)
    def explanation_for_basket(request: ExplanationRequest, live: Live) -> Explanation:
        """What every product of a basket adds to the model's score of a product."""
        return Explanation.of(live, live.explain(request.product_id, basket=request.strengths(live)))

    return app
