// @vitest-environment jsdom
import { act, StrictMode } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type UseDownload, useDownload, useDownloadJob } from '../src/index.ts';
import { memoryStorage, TestServer, until } from './server.ts';

const server = new TestServer();
let storage = memoryStorage();
let root: Root;
let box: HTMLElement;

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

beforeEach(async () => {
  server.seen.length = 0;
  server.jobs.clear();
  storage = memoryStorage();
  await server.listen();
  box = document.body.appendChild(document.createElement('div'));
  root = createRoot(box);
});

afterEach(async () => {
  act(() => root.unmount());
  box.remove();
  await server.close();
});

let latest: UseDownload;

function Button({ fileIds, token }: { fileIds: number[]; token?: string }) {
  const download = useDownload(fileIds, {
    baseUrl: server.url,
    storage,
    token,
    timing: { fallbackAfterMs: 150, pollEveryMs: 30 },
  });
  latest = download;
  return (
    <button type="button" onClick={() => void download.startDownload()}>
      {download.status} {download.progress}%
    </button>
  );
}

function Follower({ jobId }: { jobId: string | null }) {
  latest = useDownloadJob(jobId, { baseUrl: server.url });
  return <p>{latest.status}</p>;
}

function show(node: React.ReactNode): void {
  act(() => root.render(<StrictMode>{node}</StrictMode>));
}

/** Wait for a state. React 18 renders at the end of an act, so each check is an act of its own. */
async function untilRendered(what: string, check: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !check(); tries++) {
    await act(() => new Promise((resolve) => setTimeout(resolve, 10)));
  }
  expect(check(), what).toBe(true);
}

async function untilShown(text: string): Promise<void> {
  await untilRendered(`${text} is shown`, () => box.textContent === text);
}

async function untilStreaming(): Promise<void> {
  await untilRendered('the stream is open', () => latest.connection === 'streaming');
}

function click(): void {
  act(() => box.querySelector('button')?.dispatchEvent(new MouseEvent('click', { bubbles: true })));
}

describe('useDownload', () => {
  it('runs a job in StrictMode, and creates one on a double click', async () => {
    show(<Button fileIds={[1, 2, 3]} />);
    expect(box.textContent).toBe('idle 0%');
    expect(server.seen).toHaveLength(0);
    click();
    click();
    await untilShown('queued 0%');
    await untilStreaming();
    act(() => server.move('job-1', 'progress', { progress: 40 }));
    await untilShown('processing 40%');
    act(() => server.move('job-1', 'completed', { downloadUrl: '/v1/download/job-1' }));
    await untilShown('completed 100%');
    expect(latest.downloadUrl).toBe(`${server.url}/v1/download/job-1`);
    expect(server.requests('POST', 'initiate')).toHaveLength(1);
  });

  it('resumes a job after a reload, with one stream in the end', async () => {
    show(<Button fileIds={[1, 2, 3]} />);
    click();
    await untilShown('queued 0%');
    act(() => root.unmount());
    server.move('job-1', 'progress', { progress: 55 });
    root = createRoot(box);
    show(<Button fileIds={[1, 2, 3]} />);
    await untilShown('processing 55%');
    await until('one stream is open', () => server.streams.size === 1);
    expect(server.requests('POST', 'initiate')).toHaveLength(1);
  });

  it('leaves nothing running after unmount', async () => {
    show(<Button fileIds={[1, 2, 3]} />);
    click();
    await untilStreaming();
    show(null);
    await until('no stream is open', () => server.streams.size === 0);
    const requests = server.seen.length;
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(server.seen).toHaveLength(requests);
  });

  it('creates another download for other files', async () => {
    show(<Button fileIds={[1, 2, 3]} />);
    click();
    await untilShown('queued 0%');
    show(<Button fileIds={[4]} />);
    expect(box.textContent).toBe('idle 0%');
    await until('no stream is open', () => server.streams.size === 0);
    show(<Button fileIds={[1, 2, 3]} />);
    await untilShown('queued 0%');
  });

  it('uses the newest token without starting over', async () => {
    show(<Button fileIds={[1]} token="old" />);
    show(<Button fileIds={[1]} token="new" />);
    click();
    await untilShown('queued 0%');
    expect(server.requests('POST', '')[0]?.headers.authorization).toBe('Bearer new');
  });

  it('renders on a server as idle', () => {
    expect(renderToString(<Button fileIds={[1]} />)).toContain('idle');
    expect(server.seen).toHaveLength(0);
  });
});

describe('useDownloadJob', () => {
  it('watches the given job, and nothing for null', async () => {
    show(<Follower jobId={null} />);
    expect(box.textContent).toBe('idle');
    server.add('given');
    show(<Follower jobId="given" />);
    await untilShown('queued');
    act(() => server.move('given', 'failed', { error: 'No.' }));
    await untilShown('failed');
    expect(latest.error).toBe('No.');
  });
});
