import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';
import type { RecentJob } from '../recent.ts';
import { ended, type JobStatus } from './job.ts';
import { RecentRow } from './RecentRow.tsx';

/**
 * Streams of one tab. Over HTTP/1.1 a browser opens six connections to a server for all tabs
 * together, so a tab uses two for streams, and none while it is hidden.
 */
const LIVE_ROWS = 2;
const COLLAPSED_ROWS = 5;

export function RecentJobs({ jobs }: { jobs: readonly RecentJob[] }) {
  const [all, setAll] = useState(false);
  const visible = useVisible();
  const live = useLiveIds(jobs);
  const shown = all ? jobs : jobs.slice(0, COLLAPSED_ROWS);
  if (jobs.length === 0) return null;
  return (
    <section aria-labelledby="recent-title">
      <h2 id="recent-title">Started here</h2>
      <ul className="jobs">
        {shown.map((job) => (
          <RecentRow key={job.jobId} recent={job} live={visible && live.includes(job.jobId)} />
        ))}
      </ul>
      {jobs.length > COLLAPSED_ROWS && (
        <button type="button" className="button quiet more" onClick={() => setAll(!all)}>
          {all ? 'Show fewer' : `Show ${jobs.length - COLLAPSED_ROWS} older`}
        </button>
      )}
    </section>
  );
}

function useVisible(): boolean {
  return useSyncExternalStore(
    (listener) => {
      document.addEventListener('visibilitychange', listener);
      return () => document.removeEventListener('visibilitychange', listener);
    },
    () => document.visibilityState === 'visible',
  );
}

/** The newest jobs that are not known to have ended. */
function useLiveIds(jobs: readonly RecentJob[]): string[] {
  const queries = useQueryClient();
  const [, setVersion] = useState(0);
  useEffect(
    () =>
      queries.getQueryCache().subscribe((event) => {
        if (event.type === 'updated' && event.action.type === 'success') {
          if (event.query.queryKey[0] === 'job') setVersion((version) => version + 1);
        }
      }),
    [queries],
  );
  return jobs
    .map((job) => job.jobId)
    .filter((jobId) => {
      const known = queries.getQueryData<JobStatus>(['job', jobId]);
      return !known || !ended(known);
    })
    .slice(0, LIVE_ROWS);
}
