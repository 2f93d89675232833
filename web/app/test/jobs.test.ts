import { describe, expect, it } from 'vitest';
import {
  displayStateOf,
  isJobId,
  type JobStatus,
  matches,
  mergeStream,
  sortJobs,
} from '../src/jobs/job.ts';
import { rate, withSample } from '../src/jobs/speed.ts';

const ID = '0c5b1a44-9f0e-4a87-bd0c-6c9f8c9f4e11';

function job(fields: Partial<JobStatus> = {}): JobStatus {
  return {
    jobId: ID,
    status: 'queued',
    progress: 0,
    completedFiles: 0,
    totalFiles: 3,
    downloadUrl: null,
    size: null,
    error: null,
    createdAt: '2030-01-01T12:00:00Z',
    updatedAt: '2030-01-01T12:00:00Z',
    completedAt: null,
    queuePosition: null,
    estimatedTimeSeconds: null,
    ...fields,
  };
}

const LIVE = {
  jobId: ID,
  status: 'processing' as const,
  progress: 40,
  completedFiles: 1,
  totalFiles: 3,
  downloadUrl: null,
  size: null,
  error: null,
  queuePosition: null,
  etaSeconds: 9,
  connection: 'streaming' as const,
};

describe('jobs', () => {
  it('distinguishes a cancelled job from a failed one', () => {
    expect(displayStateOf(job({ status: 'failed', error: 'The job was cancelled.' }))).toBe(
      'cancelled',
    );
    expect(displayStateOf(job({ status: 'failed', error: 'No.' }))).toBe('failed');
  });

  it('prefers the stream to the status that was read, except for an ended job', () => {
    expect(mergeStream(job(), LIVE)).toMatchObject({ progress: 40, estimatedTimeSeconds: 9 });
    expect(mergeStream(job({ status: 'completed' }), LIVE).status).toBe('completed');
    expect(mergeStream(job(), { ...LIVE, jobId: 'other' }).status).toBe('queued');
    expect(mergeStream(job({ progress: 7 }), { ...LIVE, status: 'starting' }).progress).toBe(7);
  });

  it('puts running jobs first, then the newest', () => {
    const old = job({ jobId: 'old', status: 'completed', createdAt: '2029-01-01T00:00:00Z' });
    const fresh = job({ jobId: 'fresh', status: 'failed' });
    const runs = job({ jobId: 'runs', createdAt: '2028-01-01T00:00:00Z' });
    expect(sortJobs([old, fresh, runs]).map((one) => one.jobId)).toEqual(['runs', 'fresh', 'old']);
  });

  it('matches by id, state and error', () => {
    const failed = job({ status: 'failed', error: 'File 9 is missing.' });
    for (const typed of ['', '0c5b', ' FAILED ', 'file 9'])
      expect(matches(failed, typed)).toBe(true);
    expect(matches(failed, 'zebra')).toBe(false);
    expect(isJobId(` ${ID.toUpperCase()} `)).toBe(true);
    expect(isJobId('0c5b1a44')).toBe(false);
  });
});

describe('speed', () => {
  it('is measured over the window, and restarts with another attempt', () => {
    let samples = withSample([], 0, 0);
    expect(rate(samples, 1_000)).toBeNull();
    samples = withSample(samples, 10, 5_000);
    expect(rate(samples, 5_000)).toBe(2);
    samples = withSample(samples, 70, 20_000);
    expect(rate(samples, 20_000)).toBe(4);
    samples = withSample(withSample(samples, 0, 21_000), 4, 23_000);
    expect(rate(samples, 23_000)).toBe(2);
  });
});
