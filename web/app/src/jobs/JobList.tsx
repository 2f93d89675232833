import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { RequestError } from '@wherry/use-download';
import { useDeferredValue, useState } from 'react';
import { listJobs, readJob, type StatusFilter } from '../api.ts';
import { SearchIcon } from '../icons.tsx';
import { Notice } from '../shell/Notice.tsx';
import { EmptyJobs } from './EmptyJobs.tsx';
import { JobRow } from './JobRow.tsx';
import { ended, isJobId, type JobStatus, matches, sortJobs } from './job.ts';

const FILTERS: readonly (readonly [StatusFilter, string])[] = [
  ['all', 'All'],
  ['queued', 'Waiting'],
  ['processing', 'Running'],
  ['completed', 'Ready'],
  ['failed', 'Failed'],
];
const ACTIVE_MS = 3_000;
const QUIET_MS = 15_000;

/** All downloads of the tenant, page by page. */
export function JobList({ recentIds }: { recentIds: ReadonlySet<string> }) {
  const [status, setStatus] = useState<StatusFilter>('all');
  const [typed, setTyped] = useState('');
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const wanted = useDeferredValue(typed);
  const cursor = cursors.at(-1) ?? null;

  const page = useQuery({
    queryKey: ['jobs', status, cursor],
    queryFn: ({ signal }) => listJobs(status, cursor, signal),
    placeholderData: keepPreviousData,
    refetchInterval: (query) =>
      query.state.data?.jobs.some((job) => !ended(job)) ? ACTIVE_MS : QUIET_MS,
  });
  const found = useQuery({
    queryKey: ['job', wanted.trim().toLowerCase()],
    queryFn: ({ signal }) => readJob(wanted.trim().toLowerCase(), signal),
    enabled: isJobId(wanted),
  });
  const cursorExpired = page.error instanceof RequestError && page.error.status === 410;
  if (cursorExpired && cursors.length > 0) setCursors([]);

  function choose(next: StatusFilter): void {
    setStatus(next);
    setCursors([]);
  }

  // Without a filter, the list omits the jobs that are shown above it.
  const plain = status === 'all' && wanted === '';
  const hasRecent = recentIds.size > 0;
  const jobs = isJobId(wanted)
    ? found.data
      ? [found.data]
      : []
    : sortJobs(page.data?.jobs ?? []).filter(
        (job) => matches(job, wanted) && !(plain && recentIds.has(job.jobId)),
      );
  const nextCursor = isJobId(wanted) ? null : (page.data?.nextCursor ?? null);

  return (
    <section aria-labelledby="jobs-title">
      <div className="jobs-head">
        <h2 id="jobs-title">{plain && hasRecent ? 'Other downloads' : 'All downloads'}</h2>
        <fieldset className="filters">
          <legend className="visually-hidden">Show</legend>
          {FILTERS.map(([value, label]) => (
            <button
              key={value}
              type="button"
              className="filter"
              aria-pressed={status === value}
              onClick={() => choose(value)}
            >
              {label}
            </button>
          ))}
        </fieldset>
        <label className="search">
          <SearchIcon />
          <span className="visually-hidden">Find by id, or filter this page</span>
          <input
            type="search"
            placeholder="Find by id"
            value={typed}
            spellCheck={false}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
      </div>
      {page.isError && !page.data && !cursorExpired ? (
        <Notice title="The list could not be loaded" onRetry={() => void page.refetch()}>
          {page.error.message}
        </Notice>
      ) : (
        <Rows
          jobs={jobs}
          loading={page.isPending || (isJobId(wanted) && found.isLoading)}
          empty={<EmptyJobs filtered={!plain} hasRecent={hasRecent} />}
          stale={page.isPlaceholderData}
        />
      )}
      {(cursors.length > 0 || nextCursor) && (
        <nav className="pager" aria-label="Pages">
          <button
            type="button"
            className="button"
            disabled={cursors.length === 0}
            onClick={() => setCursors(cursors.slice(0, -1))}
          >
            Previous
          </button>
          <span className="muted number">Page {cursors.length + 1}</span>
          <button
            type="button"
            className="button"
            disabled={!nextCursor || page.isPlaceholderData}
            onClick={() => nextCursor && setCursors([...cursors, nextCursor])}
          >
            Next
          </button>
        </nav>
      )}
    </section>
  );
}

function Rows({
  jobs,
  loading,
  empty,
  stale,
}: {
  jobs: readonly JobStatus[];
  loading: boolean;
  empty: React.ReactNode;
  stale: boolean;
}) {
  if (loading) {
    return (
      <div className="jobs" role="status">
        <span className="visually-hidden">Loading the list…</span>
        {[0, 1, 2].map((row) => (
          <div key={row} className="job skeleton" aria-hidden="true" />
        ))}
      </div>
    );
  }
  if (jobs.length === 0) return empty;
  return (
    <ul className="jobs" data-stale={stale}>
      {jobs.map((job) => (
        <JobRow key={job.jobId} job={{ ...job, connection: 'none' }} />
      ))}
    </ul>
  );
}
