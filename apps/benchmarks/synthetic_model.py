"""A synthetic shop of any size: a model of random factors and neighbors, and the published tables of the service."""

from datetime import UTC, datetime

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from apps.benchmarks.synthetic_graph import draw_item_graph
from models_ml.als.confidence import Confidence
from models_ml.als.factor_model import FactorModel
from models_ml.als.solver import compute_gramian
from models_ml.config import TrainConfig
from models_ml.data.feature_matrix import FeatureMatrix
from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr
from models_ml.inference.artifact import ModelCard
from models_ml.inference.recommender import Recommender
from models_ml.ranking_model import RankingModel
from orchestration.dbt_runner import PROJECT_DIR
from warehouse.database import open_writer
from warehouse.publishing.publisher import publish
from warehouse.settings import Settings
from warehouse.utc_time import get_utc_now

PUBLISHED_TABLES = (
    "dim_products",
    "dim_users",
    "rec_popular_products",
    "rec_product_rules",
    "rec_reason_texts",
    "rec_top_n",
    "rec_user_interactions",
)
LIST_LENGTH = 50
HISTORY_LENGTH = 20
"""Known products of each customer."""

SHOP_SQL = """
create schema if not exists marts;

create or replace table marts.dim_products as
select
    format('P{:07d}', i) as product_id,
    format('Product {}', i) as product_name,
    format('category {}', i % 40) as category,
    format('brand {}', i % 400) as brand,
    (1 + hash(i) % 20000) / 100.0 as price,
    i % 10 > 0 as is_available
from range($products) as products(i);

create or replace table marts.dim_users as
select format('U{:07d}', i) as user_id from range($customers) as customers(i);

create or replace table marts.rec_product_rules as
select
    product_id,
    is_available as is_recommendable,
    category,
    brand,
    cast(null as integer) as category_cap,
    cast(null as integer) as brand_cap,
    cast(null as integer) as pinned_position
from marts.dim_products;

create or replace table marts.rec_reason_texts as
from read_csv($reason_texts);

create or replace table marts.rec_popular_products as
select
    cast(row_number() over (order by hash(product_id)) as integer) as rank,
    product_id, product_name, category, brand, price,
    1e6 / rank as score,
    'popularity' as source,
    'Popular this month' as reason
from marts.dim_products
where is_available;

create or replace table marts.rec_top_n as
with product_ranks as materialized (

    select
        users.user_id,
        ranks.rank,
        format('P{:07d}', cast(hash(users.user_id, ranks.rank) % $products as bigint)) as product_id
    from marts.dim_users as users
    cross join range(1, $list_length + 1) as ranks(rank)

)

select
    $run_id as run_id,
    product_ranks.user_id,
    cast(product_ranks.rank as integer) as rank,
    products.product_id, products.product_name, products.category, products.brand, products.price,
    1.0 / product_ranks.rank as score,
    'model' as source,
    products.product_id as reason_product_id,
    'Because you viewed ' || products.product_name as reason,
    'viewed' as reason_key
from product_ranks
inner join marts.dim_products as products on product_ranks.product_id = products.product_id;

create or replace table marts.rec_user_interactions as
select user_id, product_id, cast(1 as double) as strength
from marts.rec_top_n
where rank <= 20;
"""


class SyntheticShop(BaseModel):
    """Sizes of the synthetic shop."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    products: int = Field(default=200_000, ge=100)
    """Number of products; nine in ten may be recommended."""

    customers: int = Field(default=20_000, ge=1)
    """Number of customers, each with published recommendations."""

    factors: int = Field(default=256, ge=1)
    """Length of the factor vectors."""

    seed: int = 0
    """Random seed of the factors and histories."""


def publish_synthetic_shop(settings: Settings, shop: SyntheticShop) -> None:
    """Write a model of random factors and neighbors and its tables to the warehouse, and publish them."""
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    _build_recommender(shop, run_id).save(settings.models_dir / run_id)
    values = {
        "products": shop.products,
        "customers": shop.customers,
        "list_length": LIST_LENGTH,
        "run_id": run_id,
        "reason_texts": str(PROJECT_DIR / "seeds" / "reason_texts.csv"),
    }
    with open_writer(settings) as connection:
        for statement in SHOP_SQL.split(";\n"):
            if statement.strip():
                parameters = {name: value for name, value in values.items() if f"${name}" in statement}
                connection.execute(statement, parameters)
    # For the logs of recommendations.
    settings.landing_dir.mkdir(parents=True, exist_ok=True)
    publish(settings, PUBLISHED_TABLES)


def _build_recommender(shop: SyntheticShop, run_id: str) -> Recommender:
    generator = torch.Generator().manual_seed(shop.seed)
    factors = torch.randn((shop.products, shop.factors), generator=generator) / shop.factors**0.5
    # The fold-in requires factors in the eigenbasis of their Gramian, as training saves them.
    eigenvalues, basis = torch.linalg.eigh(compute_gramian(factors, 10_000))
    rng = np.random.default_rng(shop.seed)
    columns = np.sort(
        rng.integers(0, shop.products // HISTORY_LENGTH, (shop.customers, HISTORY_LENGTH)) * HISTORY_LENGTH
        + np.arange(HISTORY_LENGTH)
    )
    history = Csr(
        torch.arange(0, columns.size + 1, HISTORY_LENGTH, dtype=torch.int32),
        torch.from_numpy(columns.ravel().astype(np.int32)),
        torch.ones(columns.size),
        shop.products,
    )
    now = get_utc_now()
    config = TrainConfig(factors=shop.factors)
    confidence = Confidence(1.0, config.strength_scale, config.user_damping, torch.ones(shop.products))
    graph = draw_item_graph(shop.products, shop.seed)
    card = ModelCard(
        run_id=run_id,
        trained_at=now,
        dataset_hash="none: random factors",
        as_of=now,
        config=config,
        epochs=0,
        trend_power=0,
        users=shop.customers,
        products=shop.products,
        trained_products=shop.products,
        interactions=columns.size,
        mean_strength=1.0,
        user_damping=config.user_damping,
        unobserved_pair_weight=config.unobserved_weight / shop.products,
        regularization=config.regularization,
        graph_weight=graph.weight,
        graph_entries=graph.neighbors.entry_count,
    )
    factor_model = FactorModel(
        product_factors=factors @ basis.float(),
        multipliers=torch.ones(shop.products),
        eigenvalues=eigenvalues.float(),
        trained_product_count=shop.products,
        confidence=confidence,
        unobserved_pair_weight=card.unobserved_pair_weight,
        regularization=card.regularization,
        block_mib=config.block_mib,
    )
    users = IdMap([f"U{number:07d}" for number in range(shop.customers)], "customer")
    products = IdMap([f"P{number:07d}" for number in range(shop.products)], "product")
    model = RankingModel(factor_model, graph)
    return Recommender(card, users, products, history, model, FeatureMatrix.empty(IdMap([], "customer")))
