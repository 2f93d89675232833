/** A download as an object, without any framework: start it, watch it, cancel it, try it again. */

import { follow, TIMING, type Timing } from './follow.ts';
import { type HttpOptions, RequestError, sendForJson, urlOf } from './http.ts';
import { backoff, pause } from './pause.ts';
import { createRecordKeeper, hash, newKey, type RecordStorage } from './record.ts';
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

export { type HttpOptions, RequestError, sendForJson, urlOf } from './http.ts';
export type { Connection, DownloadState, Fields, Status } from './state.ts';
export { hasEnded } from './state.ts';

export type FileId = string | number;

export interface DownloadOptions extends HttpOptions {
  /** The files to bundle; needed for `start`. */
  readonly fileIds?: readonly FileId[] | undefined;
  /** More fields of the request, such as `archiveName`. */
  readonly request?: Fields | undefined;
  /** Follow this job instead of starting one. */
  readonly jobId?: string | null | undefined;
  /** Keeps the job id over a reload; the tab's sessionStorage unless given, null for none. */
  readonly storage?: RecordStorage | null | undefined;
  /** `fetch` sends the token in a header; `event-source` asks for a ticket for each connection. */
  readonly transport?: 'fetch' | 'event-source' | undefined;
  readonly timing?: Partial<Timing> | undefined;
}

export interface Download {
  getState(): DownloadState;
  /** Call `listener` after every change. The job is followed while anyone listens. */
  subscribe(listener: () => void): () => void;
  /** Start the job, or return the one that runs. Resolves to its id, or null when it was refused. */
  start(): Promise<string | null>;
  /** Ask for the job to stop. */
  cancel(): Promise<void>;
  /** Start a failed job again, as a new job. Resolves to the new id, or null. */
  retry(): Promise<string | null>;
  /**
   * Return a URL that a link or a new tab can open without a token, once and within a minute.
   * Without a token that is downloadUrl itself. Raises RequestError or TypeError.
   */
  linkUrl(): Promise<string>;
}

const START_TRIES = 6;
const START_DELAY_MS = 500;

function defaultStorage(): RecordStorage | null {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null; // Reading the property itself is refused in some sandboxed frames.
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof RequestError) return error.message;
  return 'The server could not be reached.';
}

/** Make a download. Nothing is sent before `start` is called or someone listens. */
export function createDownload(options: DownloadOptions): Download {
  const { fileIds = [], jobId: givenJobId, request = {} } = options;
  const timing: Timing = { ...TIMING, ...options.timing };
  const body = JSON.stringify({ file_ids: fileIds, ...request });
  const keeper = createRecordKeeper(
    givenJobId ? null : options.storage === undefined ? defaultStorage() : options.storage,
    `wherry:${hash(`${options.baseUrl ?? ''} ${body}`)}`,
  );
  if (givenJobId) keeper.save({ key: '', jobId: givenJobId });

  const listeners = new Set<() => void>();
  let state = IDLE;
  let left = createRemainingTime();
  let stopFollowing: (() => void) | null = null;
  let life = new AbortController();
  let underway: Promise<string | null> | null = null;

  function set(next: DownloadState): void {
    if (sameState(state, next)) return;
    state = next;
    for (const listener of [...listeners]) listener();
  }

  function take(name: string, fields: Fields): Status {
    let next = apply(state, name, fields);
    if (next.downloadUrl?.startsWith('/')) {
      next = { ...next, downloadUrl: urlOf(options, next.downloadUrl) };
    }
    const measured = next.status === 'processing' ? left.observe(next.progress, Date.now()) : null;
    set(measured === null ? next : { ...next, etaSeconds: measured });
    return state.status;
  }

  function fail(error: unknown): void {
    set({ ...state, status: 'failed', error: sentenceOf(error), connection: 'none' });
  }

  /** A job of an earlier visit that is gone leaves the download as new. */
  function refuse(error: RequestError): void {
    const fromEarlierVisit = !givenJobId && state.status === 'starting';
    if (fromEarlierVisit) {
      keeper.save(null);
      set(IDLE);
    } else {
      fail(error);
    }
  }

  function followJob(jobId: string): void {
    stopFollowing?.();
    stopFollowing = null;
    if (state.jobId !== jobId) {
      left = createRemainingTime();
      set({ ...IDLE, status: 'starting', jobId });
    }
    if (listeners.size === 0) return;
    stopFollowing = follow({
      jobId,
      http: options,
      openStream:
        options.transport === 'event-source'
          ? ticketStream(options, (signal) => ticketFor(jobId, signal))
          : fetchStream(options),
      timing,
      onMessage: take,
      onConnection: (connection: Connection) => set({ ...state, connection }),
      onUnauthorized: (error) => set({ ...state, error: error.message }),
      onRefused: refuse,
    });
  }

  async function ticketFor(jobId: string, signal: AbortSignal): Promise<string> {
    const path = `/v1/download/${encodeURIComponent(jobId)}/ticket`;
    return String((await sendForJson(options, path, { method: 'POST', signal })).ticket);
  }

  /** Send until an answer comes: the key makes a second sending harmless. */
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
        const asked = error instanceof RequestError ? error.retryAfterMs : 0;
        await pause(Math.max(asked, backoff(tries, START_DELAY_MS)), signal);
        if (signal.aborted) throw error;
      }
    }
  }

  async function make(path: string, key: string, content: string | null): Promise<string | null> {
    if (life.signal.aborted) life = new AbortController();
    const { signal } = life;
    stopFollowing?.();
    left = createRemainingTime();
    set({ ...IDLE, jobId: state.jobId, status: 'starting', connection: 'connecting' });
    try {
      const answer = await post(path, key, content);
      const jobId = String(answer.jobId);
      keeper.save({ key, jobId });
      set({ ...state, jobId });
      // An old answer to the same key tells of the end, but not of what came out of it.
      if (answer.status === 'queued') take('status', answer);
      followJob(jobId);
      return jobId;
    } catch (error) {
      if (signal.aborted) return null;
      if (error instanceof RequestError && !error.passing) keeper.save(null);
      fail(error);
      return null;
    }
  }

  /** Run one request at a time: a second call while one is under way gets the same answer. */
  function once(action: () => Promise<string | null>): Promise<string | null> {
    const mine: Promise<string | null> = action().finally(() => {
      if (underway === mine) underway = null;
    });
    underway = mine;
    return mine;
  }

  function initiate(): Promise<string | null> {
    set({ ...state, jobId: null });
    const record = keeper.load();
    const key = record && !record.jobId ? record.key : newKey();
    keeper.save({ key, jobId: null });
    return once(() => make('/v1/download/initiate', key, body));
  }

  function start(): Promise<string | null> {
    if (underway) return underway;
    if (isActive(state.status)) return Promise.resolve(state.jobId);
    const record = keeper.load();
    if (record?.jobId && record.jobId !== state.jobId) {
      followJob(record.jobId); // Another button for the same files started it.
      return Promise.resolve(record.jobId);
    }
    return initiate();
  }

  function retry(): Promise<string | null> {
    if (underway) return underway;
    if (state.status !== 'failed') return Promise.resolve(state.jobId);
    const failed = state.jobId;
    if (!failed) return initiate();
    return once(() => make(`/v1/download/${encodeURIComponent(failed)}/retry`, newKey(), null));
  }

  async function cancel(): Promise<void> {
    await underway;
    const { jobId } = state;
    if (!jobId || hasEnded(state.status)) return;
    try {
      const path = `/v1/download/${encodeURIComponent(jobId)}`;
      await sendForJson(options, path, { method: 'DELETE', signal: life.signal });
    } catch (error) {
      if (!life.signal.aborted) set({ ...state, error: sentenceOf(error) });
    }
  }

  async function linkUrl(): Promise<string> {
    const { jobId } = state;
    const url = urlOf(options, `/v1/download/${encodeURIComponent(jobId ?? '')}`);
    const token = typeof options.token === 'function' ? await options.token() : options.token;
    if (!token || !jobId) return url;
    return `${url}?ticket=${encodeURIComponent(await ticketFor(jobId, life.signal))}`;
  }

  /** Take up what an earlier visit, or the last listener, left. */
  function resume(): void {
    life = new AbortController();
    const record = keeper.load();
    if (!record) return;
    if (hasEnded(state.status)) return;
    if (record.jobId) followJob(record.jobId);
    else if (!underway) void initiate();
  }

  function suspend(): void {
    life.abort();
    underway = null;
    stopFollowing?.();
    stopFollowing = null;
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
