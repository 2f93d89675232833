import { describe, expect, it } from 'vitest';
import { backoff } from '../src/backoff.ts';
import { createRecordStore, hash, newKey } from '../src/record.ts';
import { createRemainingTime } from '../src/remaining-time.ts';
import { apply, IDLE } from '../src/state.ts';
import { memoryStorage } from './server.ts';

describe('apply', () => {
  const queued = apply({ ...IDLE, jobId: 'a' }, 'status', {
    status: 'queued',
    totalFileIds: 4,
    estimatedTimeSeconds: 8,
    queuePosition: 3,
  });

  it('applies the answer to the first request', () => {
    expect(queued).toMatchObject({
      status: 'queued',
      totalFiles: 4,
      etaSeconds: 8,
      queuePosition: 3,
    });
  });

  it('turns progress into processing and clears the queue position', () => {
    const running = apply(queued, 'progress', { progress: 25, completedFiles: 1, totalFiles: 4 });
    expect(running).toMatchObject({ status: 'processing', progress: 25, queuePosition: null });
  });

  it('completes the progress of a completed job', () => {
    const done = apply(queued, 'completed', { downloadUrl: '/x', size: 9 });
    expect(done).toMatchObject({
      status: 'completed',
      progress: 100,
      completedFiles: 4,
      downloadUrl: '/x',
      size: 9,
      etaSeconds: null,
    });
  });

  it('returns to queued when an attempt failed', () => {
    const running = apply(queued, 'progress', { progress: 50 });
    expect(apply(running, 'connected', { status: 'queued', progress: 0 })).toMatchObject({
      status: 'queued',
      progress: 0,
    });
  });

  it.each(['progress', 'connected', 'failed'])('never leaves a terminal state by %s', (name) => {
    const done = apply(queued, 'completed', {});
    expect(apply(done, name, { status: 'queued', progress: 3 })).toBe(done);
  });

  it('always has an error for a failed job', () => {
    expect(apply(queued, 'failed', {}).error).toBe('The download failed.');
  });

  it('ignores fields of the wrong type', () => {
    const odd = apply(queued, 'progress', { progress: 'many', totalFiles: null });
    expect(odd).toMatchObject({ progress: 0, totalFiles: 4 });
  });
});

describe('createRemainingTime', () => {
  it('measures, and restarts with another attempt', () => {
    const left = createRemainingTime();
    expect(left.observe(0, 0)).toBeNull();
    expect(left.observe(10, 1_000)).toBe(9);
    expect(left.observe(50, 5_000)).toBe(5);
    expect(left.observe(0, 6_000)).toBeNull();
    expect(left.observe(20, 8_000)).toBe(8);
  });

  it('grows while there is no progress', () => {
    const left = createRemainingTime();
    left.observe(0, 0);
    expect(left.observe(50, 1_000)).toBe(1);
    expect(left.observe(50, 10_000)).toBe(10);
  });
});

describe('backoff', () => {
  it.each([
    [0, 1_000],
    [1, 1_000],
    [2, 2_000],
    [5, 16_000],
    [60, 30_000],
  ])('after %i failures waits between half and all of %i ms', (failures, most) => {
    expect(backoff(failures, 1_000, 0)).toBe(most / 2);
    expect(backoff(failures, 1_000, 1)).toBe(most);
  });
});

describe('records', () => {
  it('survive in the storage', () => {
    const storage = memoryStorage();
    createRecordStore(storage, 'a').save({ key: 'k', jobId: 'j' });
    expect(createRecordStore(storage, 'a').load()).toEqual({ key: 'k', jobId: 'j' });
    expect(createRecordStore(storage, 'b').load()).toBeNull();
  });

  it('stay in memory when the storage is full or unreadable', () => {
    const storage = memoryStorage();
    storage.setItem = () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
    const keeper = createRecordStore(storage, 'a');
    keeper.save({ key: 'k', jobId: null });
    expect(keeper.load()).toEqual({ key: 'k', jobId: null });
    storage.getItem = () => 'not json';
    expect(keeper.load()).toEqual({ key: 'k', jobId: null });
  });

  it('notice what another tab removed', () => {
    const storage = memoryStorage();
    const keeper = createRecordStore(storage, 'a');
    keeper.save({ key: 'k', jobId: 'j' });
    storage.clear();
    expect(keeper.load()).toBeNull();
  });

  it('have different names for different requests, and new keys', () => {
    expect(hash('["1"]')).not.toBe(hash('["2"]'));
    expect(newKey()).toMatch(/^[0-9a-f]{32}$/);
    expect(newKey()).not.toBe(newKey());
  });
});
