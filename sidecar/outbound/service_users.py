"""Which service user a callback-url has."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sidecar.model.callback_url import parse_webhook_url
from sidecar.model.url_prefix import UrlPrefix
from sidecar.outbound.users import ServiceUser

_REMEMBERED = 1024  # answers that are kept


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service user belongs."""

    prefix: UrlPrefix
    user: ServiceUser


class ServiceUsers:
    """Find the service user of a callback-url: the longest literal prefix counts, and without one there is none.

    Args:
        places: Where each belongs.
    """

    def __init__(self, places: Sequence[Place] = ()) -> None:
        self._places = sorted(places, key=lambda place: len(place.prefix.path), reverse=True)
        self._of_url = lru_cache(maxsize=_REMEMBERED)(self.place_of)
        self._of_endpoint = lru_cache(maxsize=_REMEMBERED)(self._only_one)

    def of(self, url: str) -> ServiceUser | None:
        """Return the user of a callback-url; None when nothing is to be shown there."""
        if not self._places:
            return None
        place = self._of_url(url)
        return None if place is None else place.user

    def place_of(self, url: str) -> Place | None:
        """Return the prefix that decides about a callback-url, with its user."""
        try:
            parsed = parse_webhook_url(url)
        except ValueError:
            return None
        return next((place for place in self._places if place.prefix.covers(parsed)), None)

    def blocked(self, endpoint: str) -> bool:
        """Tell whether all messages of an endpoint are sent as one user, who has no credentials now."""
        user = self._of_endpoint(endpoint) if self._places else None
        return user is not None and user.blocked

    async def close(self) -> None:
        """Let go of connections and tasks."""
        for place in self._places:
            await place.user.close()

    def _only_one(self, endpoint: str) -> ServiceUser | None:
        """Find the one user of an endpoint; None when prefixes divide it, when nobody has it, or it cannot be told."""
        base = endpoint.rstrip("/") + "/"
        if "~" in base or any(place.prefix.key.startswith(base) for place in self._places):
            return None
        return next((place.user for place in self._places if base.startswith(place.prefix.key + "/")), None)
