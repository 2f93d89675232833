/** A small real HTTP server with the routes of the API; the tests drive its jobs. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Job {
  id: string;
  status: 'queued' | 'processing' | 'completed' | 'failed';
  progress: number;
  step: number;
  fields: Record<string, unknown>;
}

type Stream = ServerResponse & { jobId?: string };

export class TestServer {
  readonly seen: Seen[] = [];
  readonly jobs = new Map<string, Job>();
  readonly streams = new Set<Stream>();
  /** Override the answer to a request; return true if the response was sent. */
  intercept: (request: Seen, response: ServerResponse) => boolean = () => false;
  private readonly keys = new Map<string, string>();
  private server: Server | null = null;
  private port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.handle(request, response));
    this.server = server;
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const server = this.server;
    this.server = null;
    this.streams.clear();
    if (!server) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  requests(method: string, part: string): Seen[] {
    return this.seen.filter((one) => one.method === method && one.path.includes(part));
  }

  job(id: string): Job {
    const job = this.jobs.get(id);
    if (!job) throw new Error(`no job ${id}`);
    return job;
  }

  add(id: string): Job {
    const job: Job = { id, status: 'queued', progress: 0, step: 0, fields: {} };
    this.jobs.set(id, job);
    return job;
  }

  /** Change a job and send the event to its streams. */
  move(id: string, event: string, fields: Record<string, unknown>): void {
    const job = this.job(id);
    job.step = fields.status === 'queued' ? 0 : job.step + 1;
    if (fields.status === 'queued') job.status = 'queued';
    else if (event === 'progress') job.status = 'processing';
    if (event === 'completed' || event === 'failed') job.status = event;
    Object.assign(job.fields, fields);
    for (const stream of this.streams) {
      if (stream.jobId !== id) continue;
      const { status: _, ...data } = fields;
      this.write(stream, event, job, data);
      if (event === 'completed' || event === 'failed') stream.end();
    }
  }

  endStreams(): void {
    for (const stream of this.streams) stream.end();
  }

  private write(stream: Stream, event: string, job: Job, data: unknown): void {
    stream.write(`id: 1-${job.step}-uid\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  private full(job: Job): Record<string, unknown> {
    return {
      jobId: job.id,
      status: job.status,
      progress: 0,
      completedFiles: 0,
      totalFiles: 3,
      downloadUrl: job.status === 'completed' ? `/v1/download/${job.id}` : null,
      size: null,
      error: null,
      ...job.fields,
    };
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += chunk;
    const path = request.url ?? '';
    const method = request.method ?? '';
    const seen: Seen = { method, path, headers: request.headers, body };
    this.seen.push(seen);
    if (this.intercept(seen, response)) return;
    const [, , , first = '', second = ''] = path.split('?')[0]?.split('/') ?? [];
    if (method === 'POST' && first === 'initiate') {
      const key = String(request.headers['idempotency-key']);
      const id = this.keys.get(key) ?? `job-${this.jobs.size + 1}`;
      this.keys.set(key, id);
      const job = this.jobs.get(id) ?? this.add(id);
      return this.json(response, 200, {
        jobId: id,
        status: job.status,
        totalFileIds: 3,
        estimatedTimeSeconds: 6,
      });
    }
    const job = this.jobs.get(second && method === 'GET' ? second : first);
    if (!job) return this.json(response, 404, { detail: 'There is no such job.' });
    if (method === 'DELETE') {
      this.move(job.id, 'failed', { error: 'The job was cancelled.' });
      return this.json(response, 200, this.full(job));
    }
    if (method === 'POST' && second === 'ticket') {
      return this.json(response, 200, { ticket: 'once', expiresInSeconds: 60 });
    }
    if (method === 'POST' && second === 'retry') {
      const next = this.add(`${job.id}-again`);
      return this.json(response, 200, { jobId: next.id, status: 'queued', totalFileIds: 3 });
    }
    if (first === 'status') return this.json(response, 200, this.full(job));
    if (first === 'stream') this.stream(response, job);
  }

  private stream(response: Stream, job: Job): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.jobId = job.id;
    this.streams.add(response);
    response.on('close', () => this.streams.delete(response));
    this.write(response, 'connected', job, this.full(job));
    if (job.status === 'completed' || job.status === 'failed') response.end();
  }

  private json(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body));
  }
}

/** Wait until `check` is true; fail with `what` after ten seconds. */
export async function until(what: string, check: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (check()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain until ${what}`);
}

export function memoryStorage(): Storage {
  const items = new Map<string, string>();
  return {
    get length() {
      return items.size;
    },
    clear: () => items.clear(),
    key: (index) => [...items.keys()][index] ?? null,
    getItem: (name) => items.get(name) ?? null,
    setItem: (name, value) => void items.set(name, value),
    removeItem: (name) => void items.delete(name),
  };
}
