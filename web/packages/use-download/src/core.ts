/** A download as an object, without a framework: start it, watch it, cancel it, retry it. */

import { backoff, sleep } from './backoff.ts';
import { type HttpOptions, RequestError, sendForJson, urlOf } from './http.ts';
import { createRecordStore, hash, newKey, type RecordStorage } from './record.ts';
import { createRemainingTime } from './remaining-time.ts';
import {
  apply,
  type Connection,
  type DownloadState,
  type Fields,
  hasEnded,
  IDLE,
  isActive,
  type Status,
  sameState,
} from './state.ts';
import { fetchStream, ticketStream } from './stream.ts';
import { TIMING, type Timing, watch } from './watch.ts';

export { type HttpOptions, RequestError, sendForJson, urlOf } from './http.ts';
export type { Connection, DownloadState, Fields, Status } from './state.ts';
export { hasEnded } from './state.ts';

export type FileId = string | number;

export interface DownloadOptions extends HttpOptions {
  /** The files to bundle; required for `start`. */
  readonly fileIds?: readonly FileId[] | undefined;
  /** More fields of the request, such as `archiveName`. */
  readonly request?: Fields | undefined;
  /** Watch this job instead of starting one. */
  readonly jobId?: string | null | undefined;
  /** Keeps the job id across reloads. Defaults to the tab's sessionStorage; null keeps none. */
  readonly storage?: RecordStorage | null | undefined;
  /** `fetch` sends the token in a header; `event-source` requests a ticket for each connection. */
  readonly transport?: 'fetch' | 'event-source' | undefined;
  readonly timing?: Partial<Timing> | undefined;
}

export interface Download {
  getState(): DownloadState;
  /** Call `listener` after every change. The job is watched while there is a listener. */
  subscribe(listener: () => void): () => void;
  /** Start the job, or return the running one. Resolves to its id, or to null if it was refused. */
  start(): Promise<string | null>;
  /** Cancel the job. */
  cancel(): Promise<void>;
  /** Retry a failed job as a new job. Resolves to the new id, or to null if it was refused. */
  retry(): Promise<string | null>;
  /**
   * Return a URL that a link or a new tab can open without a token, once and within a minute.
   * Without authentication that is downloadUrl itself. Raises RequestError or TypeError.
   */
  linkUrl(): Promise<string>;
}

const START_TRIES = 6;
const START_DELAY_MS = 500;

function defaultStorage(): RecordStorage | null {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null; // Some sandboxed frames refuse even to read the property.
  }
}

function messageOf(error: unknown): string {
  if (error instanceof RequestError) return error.message;
  return 'The server could not be reached.';
}

/** Create a download. Nothing is sent before `start` or `subscribe` is called. */
export function createDownload(options: DownloadOptions): Download {
  const { fileIds = [], jobId: givenJobId, request = {} } = options;
  const timing: Timing = { ...TIMING, ...options.timing };
  const body = JSON.stringify({ file_ids: fileIds, ...request });
  const records = createRecordStore(
    givenJobId ? null : options.storage === undefined ? defaultStorage() : options.storage,
    `wherry:${hash(`${options.baseUrl ?? ''} ${body}`)}`,
  );
  if (givenJobId) records.save({ key: '', jobId: givenJobId });

  const listeners = new Set<() => void>();
  let state = IDLE;
  let left = createRemainingTime();
  let stopWatching: (() => void) | null = null;
  let life = new AbortController();
  let inFlight: Promise<string | null> | null = null;

  function set(next: DownloadState): void {
    if (sameState(state, next)) return;
    state = next;
    for (const listener of [...listeners]) listener();
  }

  function receive(name: string, fields: Fields): Status {
    let next = apply(state, name, fields);
    if (next.downloadUrl?.startsWith('/')) {
      next = { ...next, downloadUrl: urlOf(options, next.downloadUrl) };
    }
    const measured = next.status === 'processing' ? left.observe(next.progress, Date.now()) : null;
    set(measured === null ? next : { ...next, etaSeconds: measured });
    return state.status;
  }

  function fail(error: unknown): void {
    set({ ...state, status: 'failed', error: messageOf(error), connection: 'none' });
  }

  /** The server refuses the job for good; one that an earlier visit left resets the download. */
  function refuse(error: RequestError): void {
    const fromEarlierVisit = !givenJobId && state.status === 'starting';
    if (fromEarlierVisit) {
      records.save(null);
      set(IDLE);
    } else {
      fail(error);
    }
  }

  function watchJob(jobId: string): void {
    stopWatching?.();
    stopWatching = null;
    if (state.jobId !== jobId) {
      left = createRemainingTime();
      set({ ...IDLE, status: 'starting', jobId });
    }
    if (listeners.size === 0) return;
    stopWatching = watch({
      jobId,
      http: options,
      openStream:
        options.transport === 'event-source'
          ? ticketStream(options, (signal) => ticketFor(jobId, signal))
          : fetchStream(options),
      timing,
      onMessage: receive,
      onConnection: (connection: Connection) => set({ ...state, connection }),
      onUnauthorized: (error) => set({ ...state, error: error.message }),
      onRefused: refuse,
    });
  }

  async function ticketFor(jobId: string, signal: AbortSignal): Promise<string> {
    const path = `/v1/download/${encodeURIComponent(jobId)}/ticket`;
    return String((await sendForJson(options, path, { method: 'POST', signal })).ticket);
  }

  /** Send until the server answers; the idempotency key makes a repetition harmless. */
  async function post(path: string, key: string, content: string | null): Promise<Fields> {
    const { signal } = life;
    const headers: Record<string, string> = { 'Idempotency-Key': key };
    if (content) headers['Content-Type'] = 'application/json';
    for (let tries = 1; ; tries++) {
      try {
        return await sendForJson(options, path, { method: 'POST', headers, body: content, signal });
      } catch (error) {
        const final = error instanceof RequestError && !error.passing;
        if (final || signal.aborted || tries === START_TRIES) throw error;
        set({ ...state, connection: 'offline' });
        const retryAfter = error instanceof RequestError ? error.retryAfterMs : 0;
        await sleep(Math.max(retryAfter, backoff(tries, START_DELAY_MS)), signal);
        if (signal.aborted) throw error;
      }
    }
  }

  async function make(path: string, key: string, content: string | null): Promise<string | null> {
    if (life.signal.aborted) life = new AbortController();
    const { signal } = life;
    stopWatching?.();
    left = createRemainingTime();
    set({ ...IDLE, jobId: state.jobId, status: 'starting', connection: 'connecting' });
    try {
      const answer = await post(path, key, content);
      const jobId = String(answer.jobId);
      records.save({ key, jobId });
      set({ ...state, jobId });
      // The answer for an earlier job with the same key has its state, but neither result nor error.
      if (answer.status === 'queued') receive('status', answer);
      watchJob(jobId);
      return jobId;
    } catch (error) {
      if (signal.aborted) return null;
      if (error instanceof RequestError && !error.passing) records.save(null);
      fail(error);
      return null;
    }
  }

  /** Run one request at a time: a call during a request gets the same result. */
  function once(action: () => Promise<string | null>): Promise<string | null> {
    const mine: Promise<string | null> = action().finally(() => {
      if (inFlight === mine) inFlight = null;
    });
    inFlight = mine;
    return mine;
  }

  function initiate(): Promise<string | null> {
    set({ ...state, jobId: null });
    const record = records.load();
    const key = record && !record.jobId ? record.key : newKey();
    records.save({ key, jobId: null });
    return once(() => make('/v1/download/initiate', key, body));
  }

  function start(): Promise<string | null> {
    if (inFlight) return inFlight;
    if (isActive(state.status)) return Promise.resolve(state.jobId);
    const record = records.load();
    if (record?.jobId && record.jobId !== state.jobId) {
      watchJob(record.jobId); // Another button for the same files has started it.
      return Promise.resolve(record.jobId);
    }
    return initiate();
  }

  function retry(): Promise<string | null> {
    if (inFlight) return inFlight;
    if (state.status !== 'failed') return Promise.resolve(state.jobId);
    const failed = state.jobId;
    if (!failed) return initiate();
    return once(() => make(`/v1/download/${encodeURIComponent(failed)}/retry`, newKey(), null));
  }

  async function cancel(): Promise<void> {
    await inFlight;
    const { jobId } = state;
    if (!jobId || hasEnded(state.status)) return;
    try {
      const path = `/v1/download/${encodeURIComponent(jobId)}`;
      await sendForJson(options, path, { method: 'DELETE', signal: life.signal });
    } catch (error) {
      if (!life.signal.aborted) set({ ...state, error: messageOf(error) });
    }
  }

  async function linkUrl(): Promise<string> {
    const { jobId } = state;
    const url = urlOf(options, `/v1/download/${encodeURIComponent(jobId ?? '')}`);
    const token = typeof options.token === 'function' ? await options.token() : options.token;
    if (!token || !jobId) return url;
    return `${url}?ticket=${encodeURIComponent(await ticketFor(jobId, life.signal))}`;
  }

  /** Resume what an earlier visit or the last listener left. */
  function resume(): void {
    life = new AbortController();
    const record = records.load();
    if (!record) return;
    if (hasEnded(state.status)) return;
    if (record.jobId) watchJob(record.jobId);
    else if (!inFlight) void initiate();
  }

  function suspend(): void {
    life.abort();
    inFlight = null;
    stopWatching?.();
    stopWatching = null;
    if (state.connection !== 'none') set({ ...state, connection: 'none' });
  }

  return {
    getState: () => state,
    subscribe(listener) {
      listeners.add(listener);
      if (listeners.size === 1) resume();
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) suspend();
      };
    },
    start,
    cancel,
    retry,
    linkUrl,
  };
}
