"""What sources.yml says about a web service: where it is, how it pages, how to sign in, how patient to be."""

from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\[\]-]+$")]
"""Name of a query parameter or a header."""

EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable that holds a secret; the secret itself never stands in YAML."""

KeyPath = Annotated[str, Field(min_length=1)]
"""Key in a page, dotted when nested: `data.items`."""


class DeclarationModel(BaseModel):
    """Settings of the sources file."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    derived_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that the file does not set."""

    @model_validator(mode="before")
    @classmethod
    def _reject_unknown_settings(cls, data: Any) -> Any:
        known = [name for name in cls.model_fields if name not in cls.derived_fields]
        for name in data if isinstance(data, dict) else ():
            if name not in cls.model_fields:
                raise ValueError(f"there is no setting '{name}' here; there are {', '.join(known)}")
        return data


# -- paging -----------------------------------------------------------------------------------------------------------


class _Paging(DeclarationModel):
    has_shifting_pages: ClassVar[bool] = True
    """Whether a product can move to a page that was read already when others come or go."""

    size: int | None = Field(default=None, ge=1)
    """Products a page; the service's own choice when not given."""

    size_param: ParameterName = "page_size"
    """Query parameter of `size`."""

    @property
    def first_page_params(self) -> dict[str, str | int]:
        """Query parameters of every request that starts a reading."""
        return {self.size_param: self.size} if self.size else {}


class PageNumberPaging(_Paging):
    """Pages have numbers; the one after the last is empty, or `total` says which is the last."""

    style: Literal["page"]
    param: ParameterName = "page"
    """Query parameter of the number."""

    first: int = 1
    """Number of the first page."""


class OffsetPaging(_Paging):
    """A page is a number of products after so many others; the one after the last is empty, or `total` tells."""

    style: Literal["offset"]
    param: ParameterName = "offset"
    """Query parameter of how many products come before the page."""

    size: int = Field(default=100, ge=1)
    """Products a page. A service that gives fewer is followed by what it gives."""

    size_param: ParameterName = "limit"
    """Query parameter of `size`."""


class CursorPaging(_Paging):
    """Each page names a mark from which the service goes on; the last one names none."""

    has_shifting_pages: ClassVar[bool] = False

    style: Literal["cursor"]
    path: KeyPath
    """Key of the mark."""

    param: ParameterName = "cursor"
    """Query parameter that hands it back."""


class NextLinkPaging(_Paging):
    """Each page has the address of the next in its body; the last one has none."""

    style: Literal["next_link"]
    path: KeyPath
    """Key of the address."""


class LinkHeaderPaging(_Paging):
    """Each page has the address of the next in its header `Link`, with rel="next"; the last one has none."""

    style: Literal["link_header"]


class SinglePagePaging(_Paging):
    """The first page is the whole catalog."""

    has_shifting_pages: ClassVar[bool] = False

    style: Literal["none"]


Paging = PageNumberPaging | OffsetPaging | CursorPaging | NextLinkPaging | LinkHeaderPaging | SinglePagePaging


# -- signing in -------------------------------------------------------------------------------------------------------


class BearerAuth(DeclarationModel):
    """A token in the header `Authorization`."""

    type: Literal["bearer"]
    token_env: EnvironmentVariable
    """Environment variable of the token."""


class HeaderKeyAuth(DeclarationModel):
    """A key in a header of its own."""

    type: Literal["header"]
    name: ParameterName = "X-Api-Key"
    """Name of the header."""

    key_env: EnvironmentVariable
    """Environment variable of the key."""


class QueryKeyAuth(DeclarationModel):
    """A key among the query parameters."""

    type: Literal["query"]
    name: ParameterName = "api_key"
    """Name of the query parameter."""

    key_env: EnvironmentVariable
    """Environment variable of the key."""


class BasicAuth(DeclarationModel):
    """A name and a password."""

    type: Literal["basic"]
    user_env: EnvironmentVariable
    """Environment variable of the name."""

    password_env: EnvironmentVariable
    """Environment variable of the password."""


Auth = BearerAuth | HeaderKeyAuth | QueryKeyAuth | BasicAuth


# -- the service ------------------------------------------------------------------------------------------------------


class Retries(DeclarationModel):
    """What is done about answers that may be better next time: 429, 5xx, time-outs, broken connections and bodies."""

    max_attempts: int = Field(default=6, ge=1)
    """Requests for one page before the fetch is given up; the next one goes on from there."""

    first_wait: float = Field(default=1, ge=0)
    """Seconds before the second attempt; each later wait is twice as long, and a random part of `first_wait` is added
    so that many clients do not come back at once. `Retry-After` goes before."""

    max_wait: float = Field(default=120, ge=0)
    """Seconds that a wait may take. A service that asks for more is taken at its word: the fetch ends there."""


class Api(DeclarationModel):
    """A web service that hands out a feed's records, page by page, as JSON."""

    base_url: str
    """Address of the service, such as `https://shop.example/api/v2`. No link leads a fetch to another host."""

    path: str = ""
    """Where the records are asked for, below `base_url`."""

    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Query parameters of every reading, such as a filter or an order that does not change. No secrets: see `auth`."""

    records: KeyPath | None = None
    """Key of the list of records in a page; the page itself when not given."""

    id_column: KeyPath | None = None
    """Key that tells one record from another; what `product_id` is mapped to when not given."""

    total: KeyPath | None = None
    """Key of how many records there are in all, if the service tells; then so many must arrive."""

    paging: Paging = Field(discriminator="style")
    """How the service divides its records into pages."""

    auth: Auth | None = Field(default=None, discriminator="type")
    """How to sign in; nothing when not given."""

    requests_per_second: float = Field(default=5, gt=0)
    """Requests a second at the most, repeated ones included."""

    timeout: float = Field(default=30, gt=0)
    """Seconds to wait for a connection, and for the service to send something over it."""

    retries: Retries = Retries()
    """How patient to be with a service in trouble."""

    max_passes: int = Field(default=5, ge=2)
    """Readings of the whole catalog before it is given up because it never holds still."""

    resume_hours: float = Field(default=6, ge=0)
    """Age at which a reading that broke off is begun anew: half an old catalog and half a new one are neither."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        try:
            url = urlsplit(self.base_url)
            is_good = url.scheme in ("http", "https") and url.hostname and url.port != 0
        except ValueError:
            is_good = False
        if not is_good or url.query or url.fragment:
            raise ValueError("base_url: it is no address such as https://shop.example/api; parameters go to `params`")
        if url.username or url.password:
            raise ValueError("base_url: a secret stands in the address; name an environment variable under `auth`")
        if "://" in self.path or self.path.startswith("//") or set(self.path) & set("?#"):
            raise ValueError(f"path: '{self.path}' is no path below base_url; parameters go to `params`")
        return self

    @property
    def request_text(self) -> str:
        """What decides which records come in which order, as text: another text, another catalog."""
        return self.model_dump_json(include={"base_url", "path", "params", "records", "id_column", "total", "paging"})
