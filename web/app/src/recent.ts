/** Jobs started in this browser. The server lists jobs by id, so this is how people find their own. */

import { createLocalValue } from './local-value.ts';

const MAX_JOBS = 30;

export interface RecentJob {
  readonly jobId: string;
  readonly archiveName: string | null;
}

function read(text: string | null): readonly RecentJob[] {
  const parsed: unknown = text ? JSON.parse(text) : [];
  if (!Array.isArray(parsed)) return [];
  return parsed.filter((one) => typeof one?.jobId === 'string');
}

const recent = createLocalValue<readonly RecentJob[]>(
  () => localStorage,
  'wherry:recent',
  read,
  (jobs) => JSON.stringify(jobs),
);

export const useRecent = recent.use;

export function addRecent(job: RecentJob): void {
  const others = recent.get().filter((one) => one.jobId !== job.jobId);
  recent.set([job, ...others].slice(0, MAX_JOBS));
}

export function removeRecent(jobId: string): void {
  recent.set(recent.get().filter((one) => one.jobId !== jobId));
}
