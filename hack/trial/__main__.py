"""``make up``, ``make down`` and ``make status``: a trial of Wherry on this machine.

Run: PYTHONPATH=hack:. python -m trial up [--fast] | down | status
"""

import argparse
import asyncio
import os
import shutil
import sys
from dataclasses import dataclass

from localcluster import addresses, assets, clusters, jaeger, paths, say
from localcluster.cluster import Cluster
from localcluster.steps import step
from trial import chart, fast
from trial.first_job import DownloadedArchive, JobError, run_job
from trial.sample_files import SampleFile, put_sample_files, sample_files
from wherry_core import object_store
from wherry_core.settings import StoreSettings

DOWNLOADS = paths.REPOSITORY / ".wherry" / "downloads"


def up(*, quick: bool) -> None:
    """Set everything up, run the first job, and print what is there. Raises SetupError."""
    traces: jaeger.Jaeger | None = None
    if quick:
        made = fast.up()
        logs = f"{paths.state_dir() / 'logs'} and {paths.state_dir() / 'runners'}"
    else:
        made = clusters.up()
        logs = f"kubectl --kubeconfig {made.kubeconfig} --namespace {chart.NAMESPACE} logs …"
        if made.kind == "bare":
            with step("Jaeger"):
                traces = jaeger.offer(paths.state_dir(), otlp_bind=addresses.GATEWAY)
        with step("chart"):
            chart.install(
                made, {"tracing.endpoint": traces.otlp_endpoint} if traces else {}, say.line
            )
    files = list(sample_files())
    with step("sample files"):
        put = asyncio.run(store_files(made, files))
        say.line(f"stored {put} files; {len(files) - put} were there already")
    with step("first job"):
        try:
            archive = run_job(made.api_url, files, DOWNLOADS, say.line)
        except JobError as error:
            raise say.SetupError(f"{error}\nThe logs are in: {logs}") from error
        say.line(f"{archive.path}: {archive.size} bytes; unzip -t passes, every byte matches")
    chart.Tools(made.kubeconfig).set_default_namespace()
    print(summary(made, files, archive, traces))


async def store_files(made: Cluster, files: list[SampleFile]) -> int:
    """Store the sample files; return how many were missing."""
    os.environ |= {
        "AWS_ACCESS_KEY_ID": made.store.access_key,
        "AWS_SECRET_ACCESS_KEY": made.store.secret_key,
    }
    settings = StoreSettings.model_validate(
        {
            "WHERRY_S3_ENDPOINT_URL": made.store.endpoint,
            "WHERRY_S3_REGION": made.store.region,
            "WHERRY_SOURCE_BUCKET": made.store.bucket,
            "WHERRY_ARCHIVE_BUCKET": made.store.bucket,
        }
    )
    async with object_store.connect(settings) as client:
        return await put_sample_files(
            client, settings.source_bucket, settings.source_key_template, files
        )


@dataclass(frozen=True)
class Line:
    """One line of the summary."""

    name: str
    text: str


def summary(
    made: Cluster,
    files: list[SampleFile],
    archive: DownloadedArchive,
    traces: jaeger.Jaeger | None,
) -> str:
    """Return the addresses, the lines for kubectl and the command that stops the trial."""
    ids = "[70000,70001,70002]"
    lines = [
        Line("Page and API", made.api_url),
        Line("Docs", f"{made.api_url}/docs"),
        Line("Files", f"ids {files[0].id} to {files[-1].id}, in the store {made.store.endpoint}"),
        *([Line("Traces", f"{traces.query_url}/api/traces?service=wherry-api")] if traces else []),
        Line("First archive", str(archive.path)),
        Line("For kubectl", f"export KUBECONFIG={made.kubeconfig} PATH={assets.bin_dir()}:$PATH"),
        Line("See the jobs", "kubectl get dlj,rpool,pods"),
        Line(
            "Another job",
            f"curl -s {made.api_url}/v1/download/initiate -H 'content-type: application/json' "
            f"-d '{{\"file_ids\":{ids}}}'",
        ),
        Line("Stop", "make down"),
    ]
    width = max(len(line.name) for line in lines)
    return "\n" + "\n".join(f"  {line.name:<{width}}  {line.text}" for line in lines)


def down() -> None:
    """Stop what `up` started, and delete its data and its downloads."""
    if clusters.present(paths.state_dir()) is None:
        say.line("nothing is running")
    else:
        fast.stop_components()
        clusters.down()
        say.line("everything is stopped")
    if DOWNLOADS.exists():
        shutil.rmtree(DOWNLOADS)
        say.line(f"deleted the downloaded archives in {DOWNLOADS}")


def main() -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(prog="trial", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="set everything up and run a first job")
    start.add_argument("--fast", action="store_true", help="without a node: runners are processes")
    commands.add_parser("down", help="stop everything and delete its data and downloads")
    commands.add_parser("status", help="show what is running")
    options = parser.parse_args()
    try:
        if options.command == "up":
            up(quick=options.fast)
        elif options.command == "down":
            down()
        else:
            print("\n".join(clusters.status()))
    except say.SetupError as error:
        say.line(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        say.line("interrupted; run the same command again to continue")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
