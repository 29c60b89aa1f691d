from typing import ClassVar

from shared_apps.core.errors import ConflictError, ForbiddenError, InvalidError, UnprocessableError

_EXPLAINED = "/api/v1/docs/"


class KeyMissingError(InvalidError):
    code = "idempotency.key_missing"
    message = "This operation requires an Idempotency-Key header."
    described_by = _EXPLAINED


class KeyInvalidError(InvalidError):
    code = "idempotency.key_invalid"
    message = "An Idempotency-Key has 1 to 255 visible ASCII characters without comma, quote and backslash."
    described_by = _EXPLAINED


class KeyReusedError(UnprocessableError):
    code = "idempotency.key_reused"
    message = "This Idempotency-Key was used for another request."
    described_by = _EXPLAINED


class KeyInUseError(ConflictError):
    code = "idempotency.in_progress"
    message = "A request with this Idempotency-Key is being carried out."
    described_by = _EXPLAINED
    retry_after: ClassVar[int] = 1


class AnswerNotKeptError(ConflictError):
    code = "idempotency.answer_not_kept"
    message = "The request was carried out before; its answer could not be kept."
    described_by = _EXPLAINED


class AnswerWithheldError(ForbiddenError):
    code = "idempotency.roles_changed"
    message = "The request was carried out before, by somebody who had roles that you have no more."
    described_by = _EXPLAINED
