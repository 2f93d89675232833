"""The exit status, message and hint of a command that failed. Pure functions."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from urllib.parse import urlsplit

from wherry_client import errors
from wherry_client.errors import PROBLEM_PREFIX, WherryError

UNKNOWN_ROUTE: Final = f"{PROBLEM_PREFIX}not-found"
"""Problem type of a path that the API does not have."""


class ExitStatus(IntEnum):
    """The exit statuses of ``wherry``; docs/client.md lists them."""

    OK = 0
    JOB_FAILED = 1
    USAGE = 2
    """The command is not valid as given, including the token and the job id."""
    SERVER = 3
    """The server, the network or the disk failed: trying again later may help."""
    INTERRUPTED = 130


@dataclass(frozen=True)
class Failure:
    """Why a command failed."""

    status: ExitStatus
    sentence: str
    hint: str = ""
    """What to do about it."""
    details: tuple[str, ...] = ()


def failure_of(
    error: WherryError | OSError, url: str, job_id: str = "JOB", *, files_missing: bool = False
) -> Failure:
    """Return the failure of a command that raised ``error``; ``url`` is the API's.

    ``files_missing`` says that the job failed because files are missing.
    """
    if isinstance(error, errors.ProblemError):
        hint = _hint_of(error, url, job_id, files_missing=files_missing)
        return Failure(_status_of(error), str(error), hint, _details_of(error, str(error)))
    if isinstance(error, errors.BadArgumentError):
        return Failure(ExitStatus.USAGE, str(error))
    if isinstance(error, errors.UnreachableError | errors.UnexpectedAnswerError):
        return Failure(ExitStatus.SERVER, str(error), _url_hint(url))
    if isinstance(error, FileExistsError):
        sentence = str(error) if error.filename is None else f"{error.filename} exists already."
        hint = "Choose another name with -o, or overwrite it with --force."
        return Failure(ExitStatus.USAGE, sentence, hint)
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return Failure(ExitStatus.USAGE, str(error), "Create it, or choose another path with -o.")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        hint = "The bytes that have arrived are kept; the same command resumes from there."
        return Failure(ExitStatus.SERVER, f"{where}{error.strerror or error}.", hint)
    return Failure(ExitStatus.SERVER, str(error))


def failed_job_hint(job_id: str, *, files_missing: bool) -> tuple[str, str]:
    """Return what to do about a failed job, as words and a command."""
    if files_missing:
        # A retry has the same files and fails in the same way.
        return ("Skip the missing files: ", "wherry submit FILE_ID... --on-missing manifest")
    return ("Retry with the same files: ", f"wherry retry {job_id}")


def _url_hint(url: str) -> str:
    hint = f"The URL is {url}; set another one with --url or WHERRY_URL."
    if urlsplit(url).path.rstrip("/").endswith("/v1"):
        hint += " Leave out /v1: the client adds it."
    return hint


def _status_of(error: errors.ProblemError) -> ExitStatus:
    if isinstance(error, errors.JobFailedError):
        return ExitStatus.JOB_FAILED
    if isinstance(error, errors.RateLimitedError | errors.UnavailableError | errors.ServerError):
        return ExitStatus.SERVER
    return ExitStatus.USAGE


def _hint_of(error: errors.ProblemError, url: str, job_id: str, *, files_missing: bool) -> str:
    if isinstance(error, errors.UnauthenticatedError):
        return "Set a token with WHERRY_TOKEN or --token; docs/client.md says how to get one."
    if isinstance(error, errors.JobNotReadyError):
        return f"Wait for it: wherry download --wait {job_id}"
    if isinstance(error, errors.JobFailedError):
        return "".join(failed_job_hint(job_id, files_missing=files_missing))
    if isinstance(error, errors.KeyReusedError):
        return "Use another --key, or none."
    if isinstance(error, errors.JobNotFoundError):
        return "List your jobs: wherry list"
    seconds = error.problem.retry_after
    if isinstance(error, errors.RateLimitedError | errors.UnavailableError) and seconds:
        return f"Try again in {seconds:.0f} s."
    if error.problem.is_blank or error.problem.type == UNKNOWN_ROUTE:
        return _url_hint(url)
    return ""


def _details_of(error: errors.ProblemError, sentence: str) -> tuple[str, ...]:
    """Return the faults that the sentence does not mention."""
    return tuple(
        f"{fault.where}: {fault.detail}"
        for fault in error.problem.faults
        if fault.detail not in sentence
    )
