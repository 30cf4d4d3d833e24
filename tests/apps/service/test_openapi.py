"""The OpenAPI description of the service is complete."""

from collections.abc import Iterator
from typing import Any

import pytest

from apps.service.app import create_app
from tests.apps.service.conftest import ServiceClient
from warehouse.settings import Settings

pytestmark = pytest.mark.usefixtures("restore_torch_threads")

PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture(scope="module")
def openapi_description(demo_warehouse: Settings) -> dict[str, Any]:
    return create_app(demo_warehouse).openapi()


def iter_operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_openapi_lists_all_operations(openapi_description: dict[str, Any]) -> None:
    assert {name: operation["operationId"] for name, operation in iter_operations(openapi_description)} == {
        "get /health": "get_health",
        "get /metrics": "get_metrics",
        "get /model": "get_model",
        "get /customers/{user_id}/recommendations": "recommend_for_customer",
        "post /recommendations": "recommend_for_basket",
        "get /categories/{category}/recommendations": "recommend_for_category",
        "get /products/{product_id}/recommendations": "recommend_for_product",
        "get /products/{product_id}/similar": "find_similar_products",
        "get /customers/{user_id}/explanations/{product_id}": "explain_for_customer",
        "post /explanations": "explain_for_basket",
    }


def test_every_operation_is_described(
    openapi_description: dict[str, Any],
) -> None:
    for name, operation in iter_operations(openapi_description):
        assert operation["description"], name
        assert operation["tags"], name
        responses = operation["responses"]
        expected = {"200", "401", "403", "408", "413", "421", "422", "429", "431", "500", "503"}
        expected |= {"404"} if "explanations" in name else set()
        assert set(responses) == expected, name
        if name != "get /metrics":
            assert "$ref" in responses["200"]["content"]["application/json"]["schema"], name
        for status in expected - {"200"}:
            assert responses[status]["content"] == {"application/problem+json": {"schema": PROBLEM}}, (name, status)
            assert responses[status]["description"], name
        for parameter in operation.get("parameters", []):
            assert parameter["description"], name
            schema = parameter["schema"]
            schema = schema["anyOf"][0] if "anyOf" in schema else schema
            assert {"minimum", "maximum"} <= set(schema) or {"minLength", "maxLength"} <= set(schema), parameter


def test_every_schema_field_is_described(openapi_description: dict[str, Any]) -> None:
    schemas = openapi_description["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    for schema_name, schema in schemas.items():
        assert schema["description"], schema_name
        for field, field_schema in schema["properties"].items():
            assert field_schema.get("description") or "$ref" in field_schema, f"{schema_name}.{field}"


def test_openapi_has_limit_of_settings(demo_warehouse: Settings) -> None:
    settings = demo_warehouse.model_copy(update={"service_max_basket_items": 7})
    schemas = create_app(settings).openapi()["components"]["schemas"]
    assert schemas["BasketRequest"]["properties"]["basket"]["maxItems"] == 7


def test_openapi_is_served_without_docs_page(service: ServiceClient, openapi_description: dict[str, Any]) -> None:
    assert service.get("/openapi.json").json() == openapi_description
    assert service.get("/docs").status_code == 404
