/** The file name of a job's archive: what the row is called, and what a browser saves. */

import { useQuery } from '@tanstack/react-query';
import { readDetails } from '../api.ts';
import { defaultName, type Job } from './job.ts';

/**
 * Return the archive's name. `given` is the name that this browser chose, or null for a job
 * that was started elsewhere or without a name: its details have the name.
 */
export function useArchiveName(job: Job, given: string | null): string {
  const completed = job.status === 'completed';
  // The result of a single file is that file itself, under its own name: known at the end only.
  const renamed = completed && job.totalFiles === 1;
  const details = useQuery({
    queryKey: ['archive-name', job.jobId, renamed],
    queryFn: ({ signal }) => readDetails(job.jobId, signal),
    select: (read) => read.archiveName,
    enabled: given === null || renamed,
    // A job's name never changes: it is read once.
    staleTime: Number.POSITIVE_INFINITY,
  });
  return details.data ?? given ?? defaultName(job.jobId);
}
