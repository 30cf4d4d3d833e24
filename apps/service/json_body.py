"""JSON bodies with limits: checked while a body is parsed, before it costs time and memory."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from apps.service.problems import InvalidBodyError
from apps.service.schemas import MAX_FILTER_SIZE
from warehouse.formatting import format_count
from warehouse.settings import Settings

MAX_OBJECT_KEYS = 20
"""Maximum number of keys in any object of a body."""

MAX_FILTER_BRACKETS = 2 * MAX_FILTER_SIZE
"""Maximum number of brackets `[` and `{` in a body besides those of the basket's products, such as one in each id of
both filters. Each list and object counts for Python's garbage collector: 330,000 in a body of 1 MB take 0.7 seconds."""


class LimitedJsonRequest(Request):
    """A request whose JSON body has a limited number of lists and objects, of keys in each object, and of products."""

    async def json(self) -> Any:
        """Parse the body.

        Raises:
            InvalidBodyError: The body exceeds a limit, or Python cannot parse it.
        """
        settings: Settings = self.app.state.settings

        def build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            if len(pairs) > MAX_OBJECT_KEYS:
                raise InvalidBodyError("body", f"an object must have at most {MAX_OBJECT_KEYS} keys")
            return dict(pairs)

        content = await self.body()
        max_brackets = MAX_FILTER_BRACKETS + settings.service_max_basket_items
        if content.count(b"[") + content.count(b"{") > max_brackets:
            raise InvalidBodyError("body", f"it must have at most {max_brackets:,} of the brackets [ and {{")
        try:
            body = json.loads(content, object_pairs_hook=build_object)
        except json.JSONDecodeError:
            raise
        except RecursionError:
            raise InvalidBodyError("body", "its lists and objects are nested too deeply") from None
        except ValueError:
            # For example, bytes that are not UTF-8, or a number of more than 4,300 digits.
            raise InvalidBodyError("body", "it has text or numbers that cannot be read") from None
        basket = body.get("basket") if isinstance(body, dict) else None
        if isinstance(basket, list) and len(basket) > settings.service_max_basket_items:
            values = format_count(settings.service_max_basket_items, "value")
            raise InvalidBodyError("body.basket", f"it must have at most {values}")
        return body


class LimitedJsonRoute(APIRoute):
    """A route whose requests have limited JSON bodies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route."""
        handle = super().get_route_handler()

        async def handle_limited(request: Request) -> Response:
            return await handle(LimitedJsonRequest(request.scope, request.receive))

        return handle_limited
