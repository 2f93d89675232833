"""The arguments and options that several commands share."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from wherry_client.cli.session import Connection, Work, run

DEFAULT_URL: Final = "http://127.0.0.1:3000"


class OnMissingChoice(StrEnum):
    """What to do about missing files."""

    FAIL = "fail"
    MANIFEST = "manifest"


def flag(*names: str, help: str, **options: Any) -> Any:  # noqa: A002
    """Return an option without a value; typer's help would show one as ``<bool>``."""
    return typer.Option(*names, metavar="", help=help, **options)


JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]
OutputPath = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="PATH", help="File, or folder for the server's file name."
    ),
]
Force = Annotated[bool, flag("--force", help="Overwrite an existing file.")]
Wait = Annotated[bool, flag("--wait", "-w", help="Watch the job until it ends.")]
DownloadTo = Annotated[
    Path | None,
    typer.Option(
        "--download", "-o", metavar="PATH", help="Download the archive; waits for the job."
    ),
]

URL_HELP: Final = "URL of Wherry's API."
TOKEN_HELP: Final = (
    "Token or API key. Prefer the environment variable: other users of a machine can see arguments."  # noqa: S105
)
TENANT_HELP: Final = "Tenant, for a token that is valid for several."

GlobalUrl = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", envvar="WHERRY_URL", help=URL_HELP, show_envvar=True),
]
GlobalToken = Annotated[
    str | None,
    typer.Option(
        "--token", metavar="TOKEN", envvar="WHERRY_TOKEN", help=TOKEN_HELP, show_envvar=True
    ),
]
GlobalTenant = Annotated[
    str | None,
    typer.Option(
        "--tenant", metavar="NAME", envvar="WHERRY_TENANT", help=TENANT_HELP, show_envvar=True
    ),
]
AsJson = Annotated[bool, flag("--json", help="Write JSON, one document a line.")]

# After the command the same options have no variable of their own: a variable must not override
# an option that was given before the command.
Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help=f"{URL_HELP} (env var: WHERRY_URL)")
]
Token = Annotated[
    str | None,
    typer.Option("--token", metavar="TOKEN", help=f"{TOKEN_HELP} (env var: WHERRY_TOKEN)"),
]
Tenant = Annotated[
    str | None,
    typer.Option("--tenant", metavar="NAME", help=f"{TENANT_HELP} (env var: WHERRY_TENANT)"),
]


@dataclass(frozen=True)
class GlobalOptions:
    """The options that were given before the command, or by environment variables."""

    url: str | None = None
    token: str | None = None
    tenant: str | None = None
    as_json: bool = False

    def connection(self, url: str | None, token: str | None, tenant: str | None) -> Connection:
        """Return the connection; the arguments were given after the command and take precedence.

        An empty token or tenant counts as given: it overrides the environment variable.
        """
        chosen = self.url if url is None else url
        return Connection(
            url=DEFAULT_URL if chosen is None else chosen,
            token=self.token if token is None else token,
            tenant=self.tenant if tenant is None else tenant,
        )


def with_connection(command: Callable[..., Work]) -> Callable[..., None]:
    """Add the options of a connection to ``command``, and run the work that it returns.

    ``command`` itself is called before the event loop starts, so it may read a pipe: there Ctrl-C
    ends it.
    """

    def connect(
        context: typer.Context,
        *,
        url: Url = None,
        token: Token = None,
        tenant: Tenant = None,
        as_json: AsJson = False,
        **arguments: Any,
    ) -> None:
        given = context.find_object(GlobalOptions) or GlobalOptions()
        connection = given.connection(url, token, tenant)
        run(lambda: command(**arguments), connection, as_json=as_json or given.as_json)

    signature = inspect.signature(connect).parameters.values()
    context = [parameter for parameter in signature if parameter.name == "context"]
    own = inspect.signature(command).parameters.values()
    shared = [each for each in signature if each.kind is inspect.Parameter.KEYWORD_ONLY]
    connect.__name__, connect.__doc__ = command.__name__, command.__doc__
    connect.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*context, *own, *shared]
    )
    return connect
