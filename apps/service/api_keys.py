"""API keys of the service: a file of named keys with scopes, of which it holds only the hashes."""

import hashlib
import hmac
import secrets
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from warehouse.atomic_files import write_text_atomically
from warehouse.errors import RecomartError
from warehouse.locks import exclusive_lock
from warehouse.regular_files import read_regular_file
from warehouse.settings import Settings

KEY_PREFIX = "recomart_"
"""Start of every key, by which scanners for leaked secrets recognize it."""


class KeyScope(StrEnum):
    """What a key permits."""

    RECOMMENDATIONS = "recommendations"
    """All requests but `/metrics`."""

    METRICS = "metrics"
    """`/metrics`."""


class ApiKey(BaseModel):
    """A key in the key file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    """Name of the key's user, which the access log shows."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """Hash of the key. A slow hash protects guessable passwords; a key has 256 random bits."""

    scopes: list[KeyScope]
    """What the key permits."""

    created_at: AwareDatetime
    """Time when the key was added (UTC)."""

    expires_at: AwareDatetime | None = None
    """Time from which the key is refused (UTC); None for a key without an end."""

    @property
    def is_expired(self) -> bool:
        """Whether the key is refused because of its age."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)


_KEYS = TypeAdapter(list[ApiKey])


def read_api_keys(settings: Settings) -> list[ApiKey]:
    """Return the keys in the key file; none if the file does not exist.

    Raises:
        RecomartError: The file cannot be read or is damaged.
    """
    file = settings.api_keys_file
    try:
        return _KEYS.validate_json(read_regular_file(file))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecomartError(
            f"{file}: the API keys cannot be read: {error.strerror}. Use a file that the service can read"
        ) from None
    except ValidationError:
        raise RecomartError(f"{file}: the file of API keys is damaged. Delete it and add the keys again") from None


def add_api_key(settings: Settings, name: str, scopes: list[KeyScope], valid_days: float | None = None) -> str:
    """Add a key to the key file and return the key, which the file does not hold.

    Raises:
        RecomartError: A key has this name already, or the name has other characters than letters, digits, `_.-`.
    """
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    try:
        entry = ApiKey(
            name=name,
            sha256=_hash_key(key),
            scopes=scopes,
            created_at=now,
            expires_at=None if valid_days is None else now + timedelta(days=valid_days),
        )
    except ValidationError:
        raise RecomartError(f"'{name}': no name of a key. Use 1 to 64 letters, digits and the characters _.-") from None
    with _lock_file(settings):
        keys = read_api_keys(settings)
        if any(other.name == name for other in keys):
            raise RecomartError(f"{settings.api_keys_file}: key '{name}' exists. Use another name, or revoke it first")
        _write_api_keys(settings.api_keys_file, [*keys, entry])
    return key


def revoke_api_key(settings: Settings, name: str) -> None:
    """Remove a key from the key file; a running service refuses it from its next request.

    Raises:
        RecomartError: No key has this name.
    """
    with _lock_file(settings):
        keys = read_api_keys(settings)
        remaining_keys = [key for key in keys if key.name != name]
        if len(remaining_keys) == len(keys):
            raise RecomartError(f"{settings.api_keys_file}: no key '{name}'. `recomart keys list` shows all keys")
        _write_api_keys(settings.api_keys_file, remaining_keys)


def _lock_file(settings: Settings) -> AbstractContextManager[None]:
    return exclusive_lock(settings.api_keys_file.with_suffix(".lock"), "change of the API keys", settings.wait_seconds)


def _write_api_keys(file: Path, keys: list[ApiKey]) -> None:
    write_text_atomically(file, f"{_KEYS.dump_json(keys, indent=2).decode()}\n", mode=0o600)


def _hash_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class ApiKeyReader:
    """Looks up keys; it reads the key file again when the file has changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._version: tuple[int, ...] | None = None
        self._keys: list[ApiKey] = []

    def find(self, key: str) -> ApiKey | None:
        """Return the entry of a key; None for an unknown or expired key.

        Raises:
            RecomartError: The key file cannot be read or is damaged.
        """
        version = _read_file_version(self._settings.api_keys_file)
        if version != self._version or version is None:
            self._keys = read_api_keys(self._settings)
            self._version = version
        sha256 = _hash_key(key)
        # All keys are compared, in constant time, so that the response time depends on no key.
        matches = [entry for entry in self._keys if hmac.compare_digest(entry.sha256, sha256)]
        return next((entry for entry in matches if not entry.is_expired), None)


def _read_file_version(file: Path) -> tuple[int, ...] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
