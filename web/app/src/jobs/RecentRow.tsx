import { useQuery, useQueryClient } from '@tanstack/react-query';
import { RequestError, useDownloadJob } from '@wherry/use-download';
import { useEffect } from 'react';
import { readJob } from '../api.ts';
import { tokenOption } from '../credentials.ts';
import { type RecentJob, removeRecent } from '../recent.ts';
import { JobRow } from './JobRow.tsx';
import { ended, mergeStream } from './job.ts';

const POLL_MS = 3_000;
const LIVE = { ...tokenOption, storage: null, timing: { positionEveryMs: 5_000 } };

/** A job started in this browser, updated by its stream if `live`, else by polling. */
export function RecentRow({ recent, live }: { recent: RecentJob; live: boolean }) {
  const { jobId } = recent;
  const queries = useQueryClient();
  const read = useQuery({
    queryKey: ['job', jobId],
    queryFn: ({ signal }) => readJob(jobId, signal),
    refetchInterval: (query) => {
      const job = query.state.data;
      return live || (job && ended(job)) ? false : POLL_MS;
    },
  });
  const running = read.data !== undefined && !ended(read.data);
  const stream = useDownloadJob(live && running ? jobId : null, LIVE);

  const streamEnded = stream.status === 'completed' || stream.status === 'failed';
  useEffect(() => {
    // The last event has no times; the status document has them.
    if (streamEnded) void queries.invalidateQueries({ queryKey: ['job', jobId] });
  }, [streamEnded, queries, jobId]);

  const gone = read.error instanceof RequestError && [404, 410].includes(read.error.status);
  useEffect(() => {
    if (gone) removeRecent(jobId);
  }, [gone, jobId]);

  if (!read.data) return read.isPending ? <li className="job skeleton" aria-hidden="true" /> : null;
  return <JobRow job={mergeStream(read.data, stream)} archiveName={recent.archiveName} />;
}
