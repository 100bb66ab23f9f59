"""Asking AWS something whose refusal is an answer too: no error of boto3 gets past it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from alur.errors import DeploymentUnknown

_DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "UnauthorizedOperation",
    }
)
_NOBODY = frozenset(
    {
        "CredentialRetrievalError",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "LoginRefreshRequired",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "SSOTokenLoadError",
        "SignatureDoesNotMatch",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
        "UnrecognizedClientException",
    }
)
_UNREACHABLE = frozenset(
    {"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "ReadTimeoutError", "SSLError"}
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What AWS said instead of an answer.

    Attributes:
        code: the error's code, or the name of the exception where nobody answered.
        detail: in words, on one line.
    """

    code: str
    detail: str

    @property
    def is_denied(self) -> bool:
        """Whether the one who asks may not."""
        return self.code in _DENIED

    @property
    def is_unknown_caller(self) -> bool:
        """Whether there are no credentials, or none that AWS takes."""
        return self.code in _NOBODY

    @property
    def is_unreachable(self) -> bool:
        """Whether nobody was there to answer."""
        return self.code in _UNREACHABLE

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


def ask(call: Callable[[], Any]) -> Any | Refusal:
    """Call AWS, and return its answer or its refusal.

    Args:
        call: makes the client, too, where that may fail: without a Region it does.
    """
    try:
        return call()
    except ClientError as error:
        told = error.response.get("Error", {})
        # A page of HTML is what a server says that does not know the operation; its first line is enough.
        return Refusal(str(told.get("Code", "unknown")), _one_line(told.get("Message", "")))
    except (BotoCoreError, ResponseParserError) as error:
        return Refusal(type(error).__name__, _one_line(str(error)))
    except DeploymentUnknown as error:
        # So `Deployment.client` says that boto3 cannot make one.
        if not isinstance(error.__cause__, BotoCoreError):
            raise
        return Refusal(type(error.__cause__).__name__, _one_line(error.problem))


def _one_line(text: str, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]} ..."
