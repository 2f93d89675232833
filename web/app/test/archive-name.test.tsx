// @vitest-environment jsdom
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { useArchiveName } from '../src/jobs/archive-name.ts';
import { defaultName, type Job } from '../src/jobs/job.ts';

const ID = '0c5b1a44-9f0e-4a87-bd0c-6c9f8c9f4e11';

let root: Root;
let box: HTMLElement;
let requests: string[];

/** Answer every request for details with `archiveName`, or with 404 for null. */
function serve(archiveName: string | null): void {
  vi.stubGlobal('fetch', async (url: string) => {
    requests.push(url);
    return archiveName === null
      ? Response.json({ detail: 'There is no such job.' }, { status: 404 })
      : Response.json({ archiveName });
  });
}

function Name({ job, given }: { job: Job; given: string | null }) {
  return <>{useArchiveName(job, given)}</>;
}

const queries = () => new QueryClient({ defaultOptions: { queries: { retry: false } } });

/** Render the name of a job, and wait until it is `expected`. */
async function expectName(
  expected: string,
  given: string | null,
  fields: Partial<Job> = {},
  client = queries(),
): Promise<void> {
  const job = { jobId: ID, status: 'completed', totalFiles: 3, ...fields } as Job;
  root.render(
    <QueryClientProvider client={client}>
      <Name job={job} given={given} />
    </QueryClientProvider>,
  );
  await vi.waitFor(() => {
    expect(client.isFetching()).toBe(0);
    expect(box.textContent).toBe(expected);
  });
}

beforeEach(() => {
  requests = [];
  box = document.body.appendChild(document.createElement('div'));
  root = createRoot(box);
});

afterEach(() => {
  root.unmount();
  box.remove();
  vi.unstubAllGlobals();
});

describe('the name of an archive', () => {
  it('is read once from the details of a job that was started elsewhere', async () => {
    serve('order 4711.zip');
    const client = queries();
    await expectName('order 4711.zip', null, { status: 'processing' }, client);
    await expectName('order 4711.zip', null, { status: 'completed' }, client);
    expect(requests).toEqual([`/v1/download/${ID}/details`]);
  });

  it('is not requested when this browser chose it', async () => {
    serve('other.zip');
    await expectName('photos.zip', 'photos.zip');
    expect(requests).toEqual([]);
  });

  it('is that of the file itself once a job of one file has completed', async () => {
    serve('cat.jpg');
    const client = queries();
    await expectName('photos.zip', 'photos.zip', { status: 'queued', totalFiles: 1 }, client);
    await expectName('cat.jpg', 'photos.zip', { status: 'completed', totalFiles: 1 }, client);
  });

  it('is the default name when the details cannot be read', async () => {
    serve(null);
    await expectName(defaultName(ID), null);
    await vi.waitFor(() => expect(requests).toHaveLength(1));
  });
});
