"""How a command ends: the exit status and the words, from what went wrong. Pure."""

from dataclasses import dataclass
from enum import IntEnum

from wherry_client import errors
from wherry_client.errors import WherryError

DEFAULT_URL = "http://127.0.0.1:3000"


class ExitStatus(IntEnum):
    """The exit statuses of ``wherry``; docs/client.md lists them."""

    OK = 0
    JOB_FAILED = 1
    USAGE = 2
    """The command cannot be right as it was given, the token and the job id included."""
    SERVER = 3
    """The server, the network or the disk did not do their part: try again later."""
    INTERRUPTED = 130


@dataclass(frozen=True)
class Ending:
    """The last words of a command."""

    status: ExitStatus
    sentence: str
    hint: str = ""
    """What to do about it."""
    details: tuple[str, ...] = ()


def ending_of(error: WherryError | OSError, url: str, job_id: str = "JOB") -> Ending:
    """Return how a command ends that failed with ``error``; ``url`` is the API's."""
    if isinstance(error, errors.ProblemError):
        hint = _hint_of(error, job_id) or (_url_hint(url) if error.problem.is_blank else "")
        return Ending(_status_of(error), str(error), hint, _details_of(error, str(error)))
    if isinstance(error, errors.BadArgumentError):
        return Ending(ExitStatus.USAGE, str(error))
    if isinstance(error, errors.UnreachableError | errors.UnexpectedAnswerError):
        return Ending(ExitStatus.SERVER, str(error), _url_hint(url))
    if isinstance(error, FileExistsError):
        sentence = str(error) if error.filename is None else f"{error.filename} exists already."
        hint = "Choose another name with -o, or let --force write over it."
        return Ending(ExitStatus.USAGE, sentence, hint)
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return Ending(ExitStatus.USAGE, str(error), "Make it, or choose another place with -o.")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        hint = "Bytes that have arrived are kept; the same command goes on from there."
        return Ending(ExitStatus.SERVER, f"{where}{error.strerror or error}.", hint)
    return Ending(ExitStatus.SERVER, str(error))


def _url_hint(url: str) -> str:
    return f"The URL is {url}; --url or WHERRY_URL sets another."


def _status_of(error: errors.ProblemError) -> ExitStatus:
    if isinstance(error, errors.JobFailedError):
        return ExitStatus.JOB_FAILED
    if isinstance(error, errors.RateLimitedError | errors.UnavailableError | errors.ServerError):
        return ExitStatus.SERVER
    return ExitStatus.USAGE


def _hint_of(error: errors.ProblemError, job_id: str) -> str:
    if isinstance(error, errors.UnauthenticatedError):
        return "Give a token with WHERRY_TOKEN or --token; see docs/client.md for how to get one."
    if isinstance(error, errors.JobNotReadyError):
        return f"Wait for it: wherry download --wait {job_id}"
    if isinstance(error, errors.JobFailedError):
        return f"Try the same files again: wherry retry {job_id}"
    if isinstance(error, errors.KeyReusedError):
        return "Give another --key, or none."
    if isinstance(error, errors.JobNotFoundError):
        return "wherry list shows your jobs."
    seconds = error.problem.retry_after
    if isinstance(error, errors.RateLimitedError | errors.UnavailableError) and seconds:
        return f"The server asks to try again in {seconds:.0f} s."
    return ""


def _details_of(error: errors.ProblemError, sentence: str) -> tuple[str, ...]:
    """Return the faults that the sentence does not tell already."""
    return tuple(
        f"{fault.where}: {fault.detail}"
        for fault in error.problem.faults
        if fault.detail not in sentence
    )
