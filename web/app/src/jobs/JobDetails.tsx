import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { type Attempt, readDetails } from '../api.ts';
import { count, dateTime, duration } from '../format.ts';
import { CheckIcon, CopyIcon } from '../icons.tsx';
import { ended, type Job } from './job.ts';

/** What is known of a job beyond its row. */
export function JobDetails({ job }: { job: Job }) {
  const details = useQuery({
    queryKey: ['details', job.jobId, job.status, job.progress === 0],
    queryFn: ({ signal }) => readDetails(job.jobId, signal),
    placeholderData: (before) => before,
    refetchInterval: ended(job) ? false : 10_000,
  });
  const took = job.completedAt && (Date.parse(job.completedAt) - Date.parse(job.createdAt)) / 1000;
  return (
    <div className="details">
      <dl>
        <dt>Id</dt>
        <dd>
          <CopyableId id={job.jobId} />
        </dd>
        <dt>Submitted</dt>
        <dd>{dateTime(job.createdAt)}</dd>
        {job.completedAt && (
          <>
            <dt>Ended</dt>
            <dd>
              {dateTime(job.completedAt)}
              {took !== null && <span className="muted"> after {duration(Number(took))}</span>}
            </dd>
          </>
        )}
        {details.data && (
          <>
            <dt>Archive</dt>
            <dd className="wrap">{details.data.archiveName}</dd>
            {details.data.skippedFiles > 0 && (
              <>
                <dt>Skipped</dt>
                <dd>
                  {count(details.data.skippedFiles, 'file was missing', 'files were missing')}
                  <span className="muted">; listed in the archive’s manifest.json</span>
                </dd>
              </>
            )}
            {details.data.retryOf && (
              <>
                <dt>Retry of</dt>
                <dd className="id wrap">{details.data.retryOf}</dd>
              </>
            )}
            <dt>Attempts</dt>
            <dd>
              <Attempts attempt={details.data.attempt} failures={details.data.failures} job={job} />
            </dd>
          </>
        )}
      </dl>
      {details.isError && (
        <p className="muted">The details could not be loaded: {details.error.message}</p>
      )}
      {details.isPending && <p className="muted">Loading the details…</p>}
    </div>
  );
}

function Attempts({
  attempt,
  failures,
  job,
}: {
  attempt: number;
  failures: readonly Attempt[];
  job: Job;
}) {
  const last = failures.at(-1)?.attempt ?? 0;
  const open = job.status === 'completed' || (!ended(job) && attempt > last);
  const outcome = { queued: 'next', processing: 'running', completed: 'succeeded', failed: '' };
  if (attempt === 0 && failures.length === 0) return <span className="muted">none yet</span>;
  return (
    <ol className="attempts">
      {failures.map((one) => (
        <li key={`${one.attempt} ${one.time}`} value={one.attempt}>
          <span className="attempt-reason">{sentenceCase(one.reason)}</span>
          {one.infrastructure && <span className="muted"> (not counted against the job)</span>}
          <span className="muted"> at {new Date(one.time).toLocaleTimeString()}</span>
          {one.message && <p className="wrap">{one.message}</p>}
        </li>
      ))}
      {open && <li value={attempt}>{outcome[job.status]}</li>}
    </ol>
  );
}

/** RunnerLost becomes "Runner lost". */
function sentenceCase(reason: string): string {
  const words = reason.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function CopyableId({ id }: { id: string }) {
  const [copied, setCopied] = useState(false);
  // Pages served over plain HTTP have no clipboard; the id can still be selected.
  const canCopy = typeof navigator.clipboard?.writeText === 'function';
  return (
    <span className="id wrap">
      {id}
      {canCopy && (
        <button
          type="button"
          className="button quiet square small"
          aria-label={copied ? 'Copied' : 'Copy the id'}
          title="Copy the id"
          onClick={() => void navigator.clipboard.writeText(id).then(() => setCopied(true))}
          onBlur={() => setCopied(false)}
        >
          {copied ? <CheckIcon /> : <CopyIcon />}
        </button>
      )}
    </span>
  );
}
