"""Declaration of a web service in the sources file: address, paging, authentication, retries."""

from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from warehouse.hosts import is_loopback

ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\[\]-]+$")]
"""Name of a query parameter or a header."""

EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable with a secret; the secret itself is never in the YAML file."""

KeyPath = Annotated[str, Field(min_length=1)]
"""Key in a page, dotted if nested: `data.items`."""


class DeclarationModel(BaseModel):
    """Base of the settings in the sources file."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    derived_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that the file cannot set."""

    @model_validator(mode="before")
    @classmethod
    def _reject_unknown_settings(cls, data: Any) -> Any:
        settings = [name for name in cls.model_fields if name not in cls.derived_fields]
        for name in data if isinstance(data, dict) else ():
            if name not in cls.model_fields:
                raise ValueError(f"{name}: unknown setting. Known: {', '.join(settings)}")
        return data


# -- paging -----------------------------------------------------------------------------------------------------------


class _Paging(DeclarationModel):
    has_shifting_pages: ClassVar[bool] = True
    """Whether a product can move to another page while the catalog is read, because products are added or removed."""

    size: int | None = Field(default=None, ge=1)
    """Products a page; by default the service decides."""

    size_param: ParameterName = "page_size"
    """Query parameter of `size`."""

    @property
    def first_page_params(self) -> dict[str, str | int]:
        """Query parameters of the first page."""
        return {self.size_param: self.size} if self.size else {}


class PageNumberPaging(_Paging):
    """Pages have numbers; an empty page or `total` marks the end."""

    style: Literal["page"]
    param: ParameterName = "page"
    """Query parameter of the page number."""

    first: int = 1
    """Number of the first page."""


class OffsetPaging(_Paging):
    """A page has a number of products from an offset on; an empty page or `total` marks the end."""

    style: Literal["offset"]
    param: ParameterName = "offset"
    """Query parameter of the offset: the number of products before the page."""

    size: int = Field(default=100, ge=1)
    """Products a page. If the service returns fewer, the next offset grows by that number."""

    size_param: ParameterName = "limit"
    """Query parameter of `size`."""


class CursorPaging(_Paging):
    """Each page has the cursor of the next page; the last page has none."""

    has_shifting_pages: ClassVar[bool] = False

    style: Literal["cursor"]
    path: KeyPath
    """Key of the cursor in a page."""

    param: ParameterName = "cursor"
    """Query parameter of the cursor."""


class NextLinkPaging(_Paging):
    """Each page has the URL of the next page in its body; the last page has none."""

    style: Literal["next_link"]
    path: KeyPath
    """Key of the URL."""


class LinkHeaderPaging(_Paging):
    """Each page has the URL of the next page in its header `Link`, with rel="next"; the last page has none."""

    style: Literal["link_header"]


class SinglePagePaging(_Paging):
    """The first page is the whole catalog."""

    has_shifting_pages: ClassVar[bool] = False

    style: Literal["none"]


Paging = PageNumberPaging | OffsetPaging | CursorPaging | NextLinkPaging | LinkHeaderPaging | SinglePagePaging


# -- authentication ---------------------------------------------------------------------------------------------------


class BearerAuth(DeclarationModel):
    """A token in the header `Authorization`."""

    type: Literal["bearer"]
    token_env: EnvironmentVariable
    """Environment variable of the token."""


class HeaderKeyAuth(DeclarationModel):
    """A key in a custom header."""

    type: Literal["header"]
    name: ParameterName = "X-Api-Key"
    """Name of the header."""

    key_env: EnvironmentVariable
    """Environment variable of the key."""


class QueryKeyAuth(DeclarationModel):
    """A key in a query parameter."""

    type: Literal["query"]
    name: ParameterName = "api_key"
    """Name of the query parameter."""

    key_env: EnvironmentVariable
    """Environment variable of the key."""


class BasicAuth(DeclarationModel):
    """A user name and a password."""

    type: Literal["basic"]
    user_env: EnvironmentVariable
    """Environment variable of the user name."""

    password_env: EnvironmentVariable
    """Environment variable of the password."""


Auth = BearerAuth | HeaderKeyAuth | QueryKeyAuth | BasicAuth


# -- the service ------------------------------------------------------------------------------------------------------


class Retries(DeclarationModel):
    """Retries of temporary errors: status 429 and 5xx, time-outs, broken connections and broken bodies."""

    max_attempts: int = Field(default=6, ge=1)
    """Maximum requests for one page. After them the fetch fails, and the next fetch resumes at this page."""

    first_wait: float = Field(default=1, ge=0)
    """Seconds before the second attempt. Each later wait is twice as long, plus a random part of `first_wait`, so that
    many clients do not retry at once. The header `Retry-After` takes precedence."""

    max_wait: float = Field(default=120, ge=0)
    """Maximum seconds of a wait. If the service requires a longer one, the fetch fails."""


class Limits(DeclarationModel):
    """Limits of a fetch, so that a service cannot fill the memory or the disk, nor hold up a run."""

    page_mb: float = Field(default=64, gt=0)
    """Maximum megabytes of a page, decompressed."""

    total_mb: float = Field(default=4_096, gt=0)
    """Maximum megabytes of all pages of a fetch."""

    pages: int = Field(default=100_000, ge=1)
    """Maximum pages of a pass."""

    minutes: float = Field(default=120, gt=0)
    """Maximum minutes of a fetch; the next one resumes it."""


class Api(DeclarationModel):
    """A web service that returns a feed's records as JSON pages."""

    base_url: str
    """URL of the service, such as `https://shop.example/api/v2`. A fetch follows no link to another host."""

    path: str = ""
    """Path of the records below `base_url`."""

    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Fixed query parameters, such as a filter or a stable order. Secrets belong to `auth`."""

    records: KeyPath | None = None
    """Key of the list of records in a page; by default the page itself is the list."""

    id_column: KeyPath | None = None
    """Key of the record id; by default the name that `product_id` is mapped to."""

    total: KeyPath | None = None
    """Key of the total number of records, if the service has one; the fetch checks that all of them arrive."""

    paging: Paging = Field(discriminator="style")
    """Paging of the service."""

    auth: Auth | None = Field(default=None, discriminator="type")
    """Authentication; none by default."""

    requests_per_second: float = Field(default=5, gt=0)
    """Maximum requests a second, including retries."""

    timeout: float = Field(default=30, gt=0)
    """Seconds to wait for a connection, and for the next bytes of a response."""

    retries: Retries = Retries()
    """Retries of temporary errors."""

    limits: Limits = Limits()
    """Limits of bytes, pages and time."""

    max_passes: int = Field(default=5, ge=2)
    """Maximum passes over the whole catalog, which must be the same in two passes in a row; after them the fetch
    fails."""

    resume_hours: float = Field(default=6, ge=0)
    """Maximum age in hours of an interrupted fetch that is resumed. An older one is restarted, because its file would
    mix two states of the catalog."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        try:
            url = urlsplit(self.base_url)
            is_valid = url.scheme in ("http", "https") and url.hostname and url.port != 0
        except ValueError:
            is_valid = False
        if not is_valid or url.query or url.fragment:
            raise ValueError(
                "base_url: it is not a URL such as https://shop.example/api. Query parameters belong to `params`"
            )
        if url.username or url.password:
            raise ValueError("base_url: the URL has a secret. Name an environment variable under `auth` instead")
        if "://" in self.path or self.path.startswith("//") or set(self.path) & set("?#"):
            raise ValueError(f"path: '{self.path}' is not a path below base_url. Query parameters belong to `params`")
        return self

    @property
    def insecure_host(self) -> str | None:
        """The host to which a secret is sent in plain text; None over https, to this machine and without a secret."""
        url = urlsplit(self.base_url)
        host = url.hostname or ""
        return host if self.auth and url.scheme == "http" and not is_loopback(host) else None

    @property
    def request_text(self) -> str:
        """The settings that decide which records the service returns, and in which order, as text."""
        return self.model_dump_json(include={"base_url", "path", "params", "records", "id_column", "total", "paging"})
