/** The routes of the API that the page uses in addition to those of the hook. */

import { type Fields, sendForJson } from '@wherry/use-download/core';
import { credentials, tokenOption } from './credentials.ts';
import type { JobStatus } from './jobs/job.ts';

export type StatusFilter = JobStatus['status'] | 'all';

export interface JobPage {
  readonly jobs: readonly JobStatus[];
  readonly nextCursor: string | null;
}

export interface Attempt {
  readonly attempt: number;
  readonly reason: string;
  readonly message: string;
  readonly time: string;
  readonly infrastructure: boolean;
}

export interface JobDetails {
  readonly archiveName: string;
  readonly skippedFiles: number;
  readonly attempt: number;
  readonly failures: readonly Attempt[];
  readonly retryOf: string | null;
}

const PAGE_SIZE = 20;

async function call<T>(path: string, init?: RequestInit): Promise<T> {
  return (await sendForJson(tokenOption, path, init)) as Fields as T;
}

function pathOf(jobId: string, rest = ''): string {
  return `/v1/download/${encodeURIComponent(jobId)}${rest}`;
}

export function listJobs(
  status: StatusFilter,
  cursor: string | null,
  signal: AbortSignal,
): Promise<JobPage> {
  const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
  if (status !== 'all') query.set('status', status);
  if (cursor) query.set('cursor', cursor);
  return call(`/v1/download?${query}`, { signal });
}

export function readJob(jobId: string, signal: AbortSignal): Promise<JobStatus> {
  return call(`/v1/download/status/${encodeURIComponent(jobId)}`, { signal });
}

export function readDetails(jobId: string, signal: AbortSignal): Promise<JobDetails> {
  return call(pathOf(jobId, '/details'), { signal });
}

export async function cancelJob(jobId: string): Promise<void> {
  await call(pathOf(jobId), { method: 'DELETE' });
}

/** Create a new job from a failed one and return its id. */
export async function retryJob(jobId: string): Promise<string> {
  return (await call<{ jobId: string }>(pathOf(jobId, '/retry'), { method: 'POST' })).jobId;
}

/** Return a URL that a plain link can open, with a single-use ticket if a token is needed. */
export async function downloadLink(jobId: string): Promise<string> {
  if (!credentials.get()) return pathOf(jobId);
  const { ticket } = await call<{ ticket: string }>(pathOf(jobId, '/ticket'), { method: 'POST' });
  return `${pathOf(jobId)}?ticket=${encodeURIComponent(ticket)}`;
}
