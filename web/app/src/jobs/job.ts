/** A job as the rows show it, from a status document and from the live stream. Pure. */

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
  /** How its news arrive now. */
  readonly connection: Connection;
}

export type Look = 'queued' | 'processing' | 'completed' | 'failed' | 'cancelled';

const CANCELLED = 'The job was cancelled.';

export function lookOf(job: JobStatus): Look {
  return job.status === 'failed' && job.error === CANCELLED ? 'cancelled' : job.status;
}

export function ended(job: JobStatus): boolean {
  return job.status === 'completed' || job.status === 'failed';
}

/** Put what the stream tells over what was last read; an ended job stays as it is. */
export function withLive(read: JobStatus, live: DownloadState): Job {
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

/** Newest first, and before them what still runs. */
export function inOrder(jobs: readonly JobStatus[]): JobStatus[] {
  return [...jobs].sort(
    (one, other) =>
      Number(ended(one)) - Number(ended(other)) || other.createdAt.localeCompare(one.createdAt),
  );
}

/** Whether a job is meant by what was typed into the filter. */
export function matches(job: JobStatus, typed: string): boolean {
  const wanted = typed.trim().toLowerCase();
  return (
    wanted === '' ||
    job.jobId.includes(wanted) ||
    lookOf(job).includes(wanted) ||
    (job.error ?? '').toLowerCase().includes(wanted)
  );
}

/** Job ids are UUIDs: a whole one can be looked up on the server. */
export function isJobId(typed: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(typed.trim().toLowerCase());
}

/** Return the name that the server gives to an archive without one. */
export function defaultName(jobId: string): string {
  return `download-${jobId.slice(0, 8)}.zip`;
}
