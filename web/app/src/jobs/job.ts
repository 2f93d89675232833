/** A job as its row shows it, from its status document and its stream. Pure functions. */

import type { Connection, DownloadState } from '@wherry/use-download';

export interface JobStatus {
  readonly jobId: string;
  readonly status: 'queued' | 'processing' | 'completed' | 'failed';
  readonly progress: number;
  readonly completedFiles: number;
  readonly totalFiles: number;
  readonly downloadUrl: string | null;
  readonly size: number | null;
  readonly error: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly completedAt: string | null;
  readonly queuePosition: number | null;
  readonly estimatedTimeSeconds: number | null;
}

export interface Job extends JobStatus {
  /** How its updates arrive now. */
  readonly connection: Connection;
}

export type DisplayState = 'queued' | 'processing' | 'completed' | 'failed' | 'cancelled';

/** The API's error of a cancelled job; its state alone does not distinguish it from a failed one. */
const CANCELLED = 'The job was cancelled.';

export function displayStateOf(job: JobStatus): DisplayState {
  return job.status === 'failed' && job.error === CANCELLED ? 'cancelled' : job.status;
}

export function ended(job: JobStatus): boolean {
  return job.status === 'completed' || job.status === 'failed';
}

/** Merge the state of the stream into the status that was read; an ended job stays unchanged. */
export function mergeStream(read: JobStatus, live: DownloadState): Job {
  if (ended(read) || live.jobId !== read.jobId) return { ...read, connection: 'none' };
  if (live.status === 'idle' || live.status === 'starting') {
    return { ...read, connection: live.connection };
  }
  return {
    ...read,
    status: live.status,
    progress: live.progress,
    completedFiles: live.completedFiles,
    totalFiles: live.totalFiles,
    downloadUrl: live.downloadUrl,
    size: live.size,
    error: live.error,
    queuePosition: live.queuePosition,
    estimatedTimeSeconds: live.etaSeconds,
    connection: live.connection,
  };
}

/** Return the jobs that have not ended, then the others, each newest first. */
export function sortJobs(jobs: readonly JobStatus[]): JobStatus[] {
  return [...jobs].sort(
    (one, other) =>
      Number(ended(one)) - Number(ended(other)) || other.createdAt.localeCompare(one.createdAt),
  );
}

/** Return whether a job matches the text in the filter. */
export function matches(job: JobStatus, typed: string): boolean {
  const wanted = typed.trim().toLowerCase();
  return (
    wanted === '' ||
    job.jobId.includes(wanted) ||
    displayStateOf(job).includes(wanted) ||
    (job.error ?? '').toLowerCase().includes(wanted)
  );
}

/** Return whether the text is a complete job id (a UUID), which the server can look up. */
export function isJobId(typed: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(typed.trim().toLowerCase());
}

/** Return the name that the server gives to an archive without one. */
export function defaultName(jobId: string): string {
  return `download-${jobId.slice(0, 8)}.zip`;
}
