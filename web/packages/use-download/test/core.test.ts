import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDownload, type Download, type DownloadOptions } from '../src/core.ts';
import { memoryStorage, TestServer, until } from './server.ts';

const server = new TestServer();
let stops: (() => void)[] = [];
let storage = memoryStorage();

beforeEach(async () => {
  server.seen.length = 0;
  server.jobs.clear();
  server.intercept = () => false;
  storage = memoryStorage();
  await server.listen();
});

afterEach(async () => {
  for (const stop of stops) stop();
  stops = [];
  await server.close();
});

/** A watched download with short timing. */
function watched(options: Partial<DownloadOptions> = {}): Download {
  const download = createDownload({
    baseUrl: server.url,
    fileIds: [1, 2, 3],
    storage,
    timing: { fallbackAfterMs: 150, pollEveryMs: 30, silenceMs: 400 },
    ...options,
  });
  stops.push(download.subscribe(() => {}));
  return download;
}

async function streaming(download: Download): Promise<void> {
  await until('the stream is open', () => download.getState().connection === 'streaming');
}

describe('a download', () => {
  it('runs from start to end over the stream', async () => {
    const download = watched();
    expect(download.getState()).toMatchObject({ status: 'idle', connection: 'none' });
    const started = download.start();
    expect(download.getState().status).toBe('starting');
    const jobId = await started;
    await streaming(download);
    expect(download.getState()).toMatchObject({ jobId: 'job-1', status: 'queued', totalFiles: 3 });
    expect(JSON.parse(server.requests('POST', 'initiate')[0]?.body ?? '')).toEqual({
      file_ids: [1, 2, 3],
    });
    server.move('job-1', 'progress', { progress: 33, completedFiles: 1, totalFiles: 3 });
    await until('progress is seen', () => download.getState().progress === 33);
    server.move('job-1', 'completed', { downloadUrl: '/v1/download/job-1', size: 77 });
    await until('the end is seen', () => download.getState().status === 'completed');
    expect(download.getState()).toMatchObject({
      jobId,
      downloadUrl: `${server.url}/v1/download/job-1`,
      size: 77,
      connection: 'none',
    });
    await until('no stream is open', () => server.streams.size === 0);
    expect(server.requests('GET', 'status')).toHaveLength(0);
    expect(server.requests('GET', 'stream')).toHaveLength(1);
  });

  it('creates one job on a double click', async () => {
    const download = watched();
    const ids = await Promise.all([download.start(), download.start(), download.start()]);
    expect(ids).toEqual(['job-1', 'job-1', 'job-1']);
    expect(await download.start()).toBe('job-1');
    expect(server.requests('POST', 'initiate')).toHaveLength(1);
  });

  it('creates one job for two buttons with the same files', async () => {
    const [one, other] = [watched(), watched()];
    expect(await Promise.all([one.start(), other.start()])).toEqual(['job-1', 'job-1']);
    expect(server.jobs.size).toBe(1);
    const late = watched();
    expect(late.getState().jobId).toBe('job-1');
    expect(await late.start()).toBe('job-1');
  });

  it('creates one job when the first answer is lost', async () => {
    let lost = 0;
    server.intercept = (request, response) => {
      if (request.method !== 'POST' || lost++ > 0) return false;
      server.intercept = () => false;
      response.destroy();
      return true;
    };
    const download = watched();
    expect(await download.start()).toBe('job-1');
    const keys = server.requests('POST', 'initiate').map((one) => one.headers['idempotency-key']);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
  });

  it('starts another job after the first has ended', async () => {
    const download = watched();
    await download.start();
    await streaming(download);
    server.move('job-1', 'completed', {});
    await until('the end is seen', () => download.getState().status === 'completed');
    expect(await download.start()).toBe('job-2');
  });

  it('has the reason of a refused request, and can be started again', async () => {
    server.intercept = (request, response) => {
      if (request.method !== 'POST') return false;
      response.writeHead(422).end(JSON.stringify({ detail: 'file_ids[1] is null.' }));
      return true;
    };
    const download = watched();
    expect(await download.start()).toBeNull();
    expect(download.getState()).toMatchObject({
      status: 'failed',
      error: 'file_ids[1] is null.',
      jobId: null,
    });
    server.intercept = () => false;
    expect(await download.retry()).toBe('job-1');
    const keys = server.requests('POST', 'initiate').map((one) => one.headers['idempotency-key']);
    expect(keys[0]).not.toBe(keys[1]);
  });

  it('reads the token for every request', async () => {
    let count = 0;
    const download = watched({ token: async () => `t${++count}`, tenant: 'team-a' });
    await download.start();
    await streaming(download);
    expect(server.seen.map((one) => one.headers.authorization)).toEqual(['Bearer t1', 'Bearer t2']);
    expect(server.seen.map((one) => one.headers['wherry-tenant'])).toEqual(['team-a', 'team-a']);
  });

  it('can be cancelled', async () => {
    const download = watched();
    void download.start();
    await download.cancel();
    await until('the end is seen', () => download.getState().status === 'failed');
    expect(download.getState().error).toBe('The job was cancelled.');
    expect(server.requests('DELETE', 'job-1')).toHaveLength(1);
    await download.cancel();
    expect(server.requests('DELETE', 'job-1')).toHaveLength(1);
  });

  it('retries a failed job as a new one, and keeps the new one', async () => {
    const download = watched();
    await download.start();
    await streaming(download);
    server.move('job-1', 'failed', { error: 'File 2 is missing.' });
    await until('the failure is seen', () => download.getState().status === 'failed');
    expect(download.getState().error).toBe('File 2 is missing.');
    const ids = await Promise.all([download.retry(), download.retry()]);
    expect(ids).toEqual(['job-1-again', 'job-1-again']);
    await streaming(download);
    expect(download.getState()).toMatchObject({
      jobId: 'job-1-again',
      status: 'queued',
      error: null,
    });
    const later = watched();
    expect(later.getState().jobId).toBe('job-1-again');
  });
});

describe('the connection', () => {
  it('reconnects with the last event id, and receives what was missed', async () => {
    const download = watched();
    await download.start();
    await streaming(download);
    server.move('job-1', 'progress', { progress: 10 });
    await until('progress is seen', () => download.getState().progress === 10);
    server.endStreams();
    await until('the stream is lost', () => download.getState().connection !== 'streaming');
    server.move('job-1', 'progress', { progress: 60 });
    await until('a second stream is open', () => server.requests('GET', 'stream').length === 2);
    await until('the progress', () => download.getState().progress === 60);
    expect(server.requests('GET', 'stream')[1]?.headers['last-event-id']).toBe('1-1-uid');
  });

  it('polls while no stream gets through, and returns to the stream', async () => {
    const held: (() => void)[] = [];
    server.intercept = (request, response) => {
      if (!request.path.includes('/stream/')) return false;
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
      held.push(() => response.destroy());
      return true;
    };
    const download = watched();
    await download.start();
    await until('it polls', () => download.getState().connection === 'polling');
    server.move('job-1', 'progress', { progress: 42 });
    await until('the progress', () => download.getState().progress === 42);
    server.intercept = () => false;
    await streaming(download);
    const polls = server.requests('GET', 'status').length;
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(server.requests('GET', 'status')).toHaveLength(polls);
    for (const release of held) release();
  });

  it('closes a silent stream', async () => {
    const download = watched();
    await download.start();
    await streaming(download);
    await until('it polls', () => download.getState().connection === 'polling');
    await streaming(download);
    expect(server.requests('GET', 'stream').length).toBeGreaterThan(1);
  });

  it('survives a restart of the server', async () => {
    const download = watched();
    await download.start();
    await streaming(download);
    await server.close();
    await until('it is offline', () => download.getState().connection === 'offline');
    expect(download.getState()).toMatchObject({ status: 'queued', error: null });
    await server.listen();
    await streaming(download);
    server.move('job-1', 'completed', { downloadUrl: '/x' });
    await until('the end is seen', () => download.getState().status === 'completed');
  });

  it('reads the status when the stream answers 204', async () => {
    server.intercept = (request, response) => {
      if (!request.path.includes('/stream/')) return false;
      response.writeHead(204).end();
      return true;
    };
    const download = watched({ timing: { fallbackAfterMs: 60_000, pollEveryMs: 30 } });
    await download.start();
    server.move('job-1', 'completed', { downloadUrl: '/x' });
    await until('the end is seen', () => download.getState().status === 'completed');
  });

  it('waits as long as Retry-After says', async () => {
    server.intercept = (request, response) => {
      if (!request.path.includes('/stream/')) return false;
      response.writeHead(429, { 'Retry-After': '600' }).end('{}');
      return true;
    };
    const download = watched();
    await download.start();
    await until('it polls', () => download.getState().connection === 'polling');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(server.requests('GET', 'stream')).toHaveLength(1);
  });

  it('reports a refused token, and continues with a new one', async () => {
    let token = 'old';
    server.intercept = (request, response) => {
      if (request.method === 'POST' || request.headers.authorization === 'Bearer new') return false;
      response.writeHead(401).end(JSON.stringify({ detail: 'The token has expired.' }));
      return true;
    };
    const download = watched({ token: () => token });
    await download.start();
    await until('the error', () => download.getState().error !== null);
    expect(download.getState()).toMatchObject({
      status: 'queued',
      error: 'The token has expired.',
      connection: 'offline',
    });
    token = 'new';
    await streaming(download);
    expect(download.getState().error).toBeNull();
  });

  it('stops at once when the job is forbidden', async () => {
    const download = watched({ fileIds: [], jobId: 'unknown' });
    await until('it has failed', () => download.getState().status === 'failed');
    expect(download.getState().error).toBe('There is no such job.');
    const requests = server.seen.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(server.seen).toHaveLength(requests);
  });
});

describe('a queued job', () => {
  it('is queued again when an attempt failed', async () => {
    const download = watched();
    await download.start();
    await streaming(download);
    server.move('job-1', 'progress', { progress: 0 });
    await until('it runs', () => download.getState().status === 'processing');
    server.move('job-1', 'progress', { progress: 0, status: 'queued' });
    await until('it waits', () => download.getState().status === 'queued');
  });

  it('reads its queue position while the stream is silent', async () => {
    const download = watched({ timing: { positionEveryMs: 40 } });
    await download.start();
    await streaming(download);
    server.job('job-1').fields.queuePosition = 7;
    await until('the place is seen', () => download.getState().queuePosition === 7);
    server.job('job-1').fields.queuePosition = 6;
    await until('the place is seen', () => download.getState().queuePosition === 6);
    expect(download.getState().connection).toBe('streaming');
    server.move('job-1', 'progress', { progress: 5 });
    await until('it runs', () => download.getState().status === 'processing');
    const asked = server.requests('GET', 'status').length;
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(server.requests('GET', 'status')).toHaveLength(asked);
  });
});

describe('the link', () => {
  it('is plain without a token, and has a ticket with one', async () => {
    const open = watched();
    await open.start();
    expect(await open.linkUrl()).toBe(`${server.url}/v1/download/job-1`);
    const closed = watched({ token: 'secret' });
    expect(await closed.linkUrl()).toBe(`${server.url}/v1/download/job-1?ticket=once`);
    expect(server.requests('POST', 'ticket')[0]?.headers.authorization).toBe('Bearer secret');
  });
});

describe('a reload', () => {
  it('resumes the running job', async () => {
    await watched().start();
    for (const stop of stops.splice(0)) stop();
    server.move('job-1', 'progress', { progress: 70 });
    const again = watched();
    expect(again.getState()).toMatchObject({ status: 'starting', jobId: 'job-1' });
    await until('the progress', () => again.getState().progress === 70);
    expect(server.requests('POST', 'initiate')).toHaveLength(1);
  });

  it('during the first request still creates one job', async () => {
    server.intercept = (request) => request.method === 'POST';
    const first = watched();
    const answer = first.start();
    await until('the request has arrived', () => server.requests('POST', '').length === 1);
    for (const stop of stops.splice(0)) stop();
    expect(await answer).toBeNull();
    server.intercept = () => false;
    const again = watched();
    await until('the job is known', () => again.getState().jobId === 'job-1');
    const keys = server.requests('POST', 'initiate').map((one) => one.headers['idempotency-key']);
    expect(keys[0]).toBe(keys[1]);
  });

  it('drops a job that has expired', async () => {
    await watched().start();
    for (const stop of stops.splice(0)) stop();
    server.jobs.clear();
    const again = watched();
    await until('it is idle', () => again.getState().status === 'idle');
    expect(storage.length).toBe(0);
    expect(await again.start()).toBe('job-1');
  });
});

describe('without listeners', () => {
  it('makes no request', async () => {
    const download = watched();
    await download.start();
    await streaming(download);
    for (const stop of stops.splice(0)) stop();
    await until('the stream is closed', () => server.streams.size === 0);
    const requests = server.seen.length;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(server.seen).toHaveLength(requests);
    stops.push(download.subscribe(() => {}));
    await streaming(download);
  });

  it('stops polling', async () => {
    server.intercept = (request) => request.path.includes('/stream/');
    const download = watched();
    await download.start();
    await until('it polls', () => download.getState().connection === 'polling');
    for (const stop of stops.splice(0)) stop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const requests = server.seen.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(server.seen).toHaveLength(requests);
  });
});
