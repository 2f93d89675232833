"""The options by which every command finds the API."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from wherry_client.cli.endings import DEFAULT_URL
from wherry_client.cli.session import Work, run

Url = Annotated[
    str, typer.Option("--url", envvar="WHERRY_URL", help="Where Wherry's API is.", show_envvar=True)
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="WHERRY_TOKEN",
        help="Token or API key. Better in the environment: others can see arguments.",
        show_envvar=True,
    ),
]
Tenant = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        envvar="WHERRY_TENANT",
        help="The tenant, where the token is good for several.",
        show_envvar=True,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, one document a line.")]


def connected(command: Callable[..., Work]) -> Callable[..., None]:
    """Give ``command`` the options of a connection, and run the work that it returns.

    ``command`` itself runs before the event loop, so it may read a pipe: there Ctrl-C ends it.
    """

    def connect(
        *,
        url: Url = DEFAULT_URL,
        token: Token = None,
        tenant: Tenant = None,
        as_json: AsJson = False,
        **arguments: Any,
    ) -> None:
        run(lambda: command(**arguments), url, token, tenant, as_json=as_json)

    own = inspect.signature(command).parameters.values()
    ours = [
        parameter
        for parameter in inspect.signature(connect).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    connect.__name__, connect.__doc__ = command.__name__, command.__doc__
    connect.__signature__ = inspect.Signature([*own, *ours])  # type: ignore[attr-defined]
    return connect
