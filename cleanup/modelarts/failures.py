"""What could not be read, and why a request has no good answer, in words for people."""

from typing import Any

from cleanup.errors import AccessDenied, CleanupError, CredentialsLost, InventoryError
from cleanup.modelarts.http.messages import Result
from cleanup.modelarts.wire.error_bodies import decode_error


class ListingFailed(InventoryError):
    """What could not be read for good; `status` is the HTTP status, None without an answer, `code` the service's.

    `detail`: it was one record of a list. `by_clock`: a wrong clock of ours may be the reason, and is named.
    """

    def __init__(
        self,
        message: str,
        status: int | None,
        code: str | None = None,
        *,
        detail: bool = False,
        by_clock: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.detail = detail
        self.by_clock = by_clock

    @property
    def is_absent(self) -> bool:
        """The gateway itself says that it knows no such API: the region does not have it."""
        return self.status == 404 and (self.code or "").upper().startswith("APIG.")

    @property
    def is_own_404(self) -> bool:
        """A 404 of the service or of its gateway, none of a proxy, which proves nothing."""
        return self.is_absent or (self.status == 404 and (self.code or "").upper().startswith("MODELARTS."))


def describe(result: Result[Any]) -> str:
    """What the service said, or why it said nothing, for people: one line, and the id support asks for."""
    if result.stopped and not result.attempts:
        return "was not sent: the run is being stopped"
    if result.status is None:
        return f"has no answer: {result.trouble} (attempts: {result.attempts})"
    if result.redirect:
        return f"answered {result.status} and points to {result.redirect}: is the endpoint right?"
    told = decode_error(result.body)
    said = (
        ": ".join(part for part in (told.code, result.trouble or told.message) if part) or "without a reason"
    )
    clock = f"{result.clock}; " if result.clock else ""
    request_id = f", request id {result.request_id}" if result.request_id else ""
    return f"answered {result.status} ({clock}{said}{request_id})"


def explained(error: ListingFailed, permission: str, *, has_read: bool) -> CleanupError:
    """The same failure with what to do about it; AccessDenied where nothing at all `has_read` well."""
    match error.status:
        case _ if error.by_clock:
            advice = ""
        case 401:
            advice = "; the credentials were refused: check them (`doctor` says which were found)"
        case 403:
            advice = f"; is the project id right, and is {permission} granted?"
        case _:
            advice = ""
    kind: type[CleanupError] = CredentialsLost if error.status == 401 else InventoryError
    refused = error.status in (401, 403) and not has_read
    return (AccessDenied if refused else kind)(f"{error}{advice}")
