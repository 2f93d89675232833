"""``make up``, ``make down`` and ``make status``: a trial of Wherry on this machine.

Run: PYTHONPATH=hack:. python -m trial up [--fast] | down | status
"""

import argparse
import asyncio
import os
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
    """Set everything up, run the first job, and say what there is now. Raises SetupError."""
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
        say.line(f"{put} files put, {len(files) - put} were there")
    with step("first job"):
        try:
            archive = run_job(made.api_url, files, DOWNLOADS, say.line)
        except JobError as error:
            raise say.SetupError(f"{error}\nThe logs: {logs}") from error
        say.line(f"{archive.size} bytes in {archive.path}: unzip -t passes, every byte is right")
    chart.Tools(made.kubeconfig).work_in_the_namespace()
    print(farewell(made, files, archive, traces))


async def store_files(made: Cluster, files: list[SampleFile]) -> int:
    """Put the sample files into the store; return how many were not there yet."""
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
    """One line of what is printed at the end."""

    name: str
    text: str


def farewell(
    made: Cluster,
    files: list[SampleFile],
    archive: DownloadedArchive,
    traces: jaeger.Jaeger | None,
) -> str:
    """Return the addresses, the lines for kubectl and how to stop."""
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
    """Stop what `up` started, in either form."""
    if clusters.present(paths.state_dir()) is None:
        say.line("nothing was running")
        return
    fast.stop_components()
    clusters.down()
    say.line("everything is stopped")


def main() -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(prog="trial", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="set everything up and run a first job")
    start.add_argument("--fast", action="store_true", help="no node: runners as processes")
    commands.add_parser("down", help="stop everything, leave nothing behind")
    commands.add_parser("status", help="say what runs")
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
        say.line("interrupted; running the same command again goes on from here")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
