/** Following one job until it ends: the stream first, polling while it cannot get through. */

import { type HttpOptions, RequestError, sendForJson } from './http.ts';
import { backoff, FIRST_DELAY_MS, pause } from './pause.ts';
import { type Connection, type Fields, hasEnded, type Status } from './state.ts';
import type { OpenStream } from './stream.ts';

export interface Timing {
  /** Without an open stream for so long, polling begins. */
  readonly fallbackAfterMs: number;
  readonly pollEveryMs: number;
  /** An open stream that is silent for so long is dead: the server sends a heartbeat every 30 s. */
  readonly silenceMs: number;
  /** While the job waits, its place in the queue is asked for so often: the stream is silent on it. */
  readonly positionEveryMs: number;
}

export const TIMING: Timing = {
  fallbackAfterMs: 5_000,
  pollEveryMs: 2_000,
  silenceMs: 35_000,
  positionEveryMs: 15_000,
};

/** The id is attempt-step-job, and step 0 is that of a job that waits: for its first attempt or another. */
const WAITING_ID = /^\d+-0(-|$)/;

export interface FollowRequest {
  readonly jobId: string;
  readonly http: HttpOptions;
  readonly openStream: OpenStream;
  readonly timing: Timing;
  /** Take a message; return the status that the download has after it. */
  readonly onMessage: (name: string, fields: Fields) => Status;
  readonly onConnection: (connection: Connection) => void;
  /** The token is not accepted; it may be with the next one. */
  readonly onUnauthorized: (error: RequestError) => void;
  /** The server refuses for good: unknown job, or no right to see it. */
  readonly onRefused: (error: RequestError) => void;
}

/** Follow a job; the returned function stops everything that runs for it. */
export function follow(request: FollowRequest): () => void {
  const { jobId, http, timing, onMessage, onConnection } = request;
  const life = new AbortController();
  let lastEventId = '';
  let firstDelayMs = FIRST_DELAY_MS;
  let failures = 0;
  let nap: AbortController | null = null;
  let polling: AbortController | null = null;
  let fallbackTimer: ReturnType<typeof setTimeout> | undefined;
  let positionTimer: ReturnType<typeof setTimeout> | undefined;
  const statusPath = `/v1/download/status/${encodeURIComponent(jobId)}`;

  function stop(): void {
    clearTimeout(fallbackTimer);
    clearTimeout(positionTimer);
    life.abort();
    polling?.abort();
    nap?.abort();
  }

  function take(name: string, fields: Fields): void {
    clearTimeout(positionTimer);
    const status = onMessage(name, fields);
    if (hasEnded(status)) {
      onConnection('none');
      stop();
    } else if (status === 'queued') {
      positionTimer = setTimeout(askPosition, backoff(1, timing.positionEveryMs));
    }
  }

  async function askPosition(): Promise<void> {
    if (polling) return;
    try {
      const fields = await sendForJson(http, statusPath, { signal: life.signal });
      if (!life.signal.aborted && fields.status === 'queued') take('status', fields);
    } catch (error) {
      refused(error); // Anything else is for the stream to find out.
    }
  }

  /** Return true when trying again cannot help. */
  function refused(error: unknown): boolean {
    if (!(error instanceof RequestError) || !error.final) return false;
    onConnection('none');
    stop();
    request.onRefused(error);
    return true;
  }

  async function poll(signal: AbortSignal): Promise<void> {
    for (let misses = 0; !signal.aborted; ) {
      try {
        const fields = await sendForJson(http, statusPath, { signal });
        if (signal.aborted) return;
        if (misses > 0) nap?.abort(); // The server is back: try the stream at once.
        misses = 0;
        onConnection('polling');
        take('status', fields);
      } catch (error) {
        if (signal.aborted || refused(error)) return;
        misses += 1;
        onConnection('offline');
        if (error instanceof RequestError && error.status === 401) request.onUnauthorized(error);
      }
      await pause(misses ? backoff(misses, timing.pollEveryMs) : timing.pollEveryMs, signal);
    }
  }

  function startPolling(): void {
    clearTimeout(fallbackTimer);
    polling = new AbortController();
    void poll(polling.signal);
  }

  function streamLost(): void {
    if (life.signal.aborted || polling || fallbackTimer !== undefined) return;
    onConnection('connecting');
    fallbackTimer = setTimeout(startPolling, timing.fallbackAfterMs);
  }

  function streamOpened(): void {
    clearTimeout(fallbackTimer);
    fallbackTimer = undefined;
    polling?.abort();
    polling = null;
    failures = 0;
    onConnection('streaming');
  }

  /**
   * Hold one connection while it lives. A first event that takes longer than the fallback means
   * a proxy that keeps events back: the connection is given up, as what it brings is old.
   */
  async function connect(): Promise<void> {
    const connection = new AbortController();
    const abort = () => connection.abort();
    life.signal.addEventListener('abort', abort);
    let timer = setTimeout(abort, timing.fallbackAfterMs);
    let opened = false;
    try {
      const end = await request.openStream({
        path: `/v1/download/stream/${encodeURIComponent(jobId)}`,
        lastEventId,
        signal: connection.signal,
        onRetry: (ms) => {
          firstDelayMs = Math.max(ms, 100);
        },
        onEvent: ({ name, data, id }) => {
          if (connection.signal.aborted) return;
          clearTimeout(timer);
          timer = setTimeout(abort, timing.silenceMs);
          lastEventId = id;
          if (!opened) streamOpened();
          opened = true;
          if (name === 'heartbeat') return;
          const waits = name === 'progress' && WAITING_ID.test(id);
          take(name, { ...(waits && { status: 'queued' }), ...(JSON.parse(data) as Fields) });
        },
      });
      if (end === 'nothing-more' && !polling && !life.signal.aborted) startPolling();
    } finally {
      clearTimeout(timer);
      life.signal.removeEventListener('abort', abort);
      connection.abort();
    }
  }

  async function stream(): Promise<void> {
    while (!life.signal.aborted) {
      let askedMs = 0;
      streamLost();
      try {
        await connect();
      } catch (error) {
        if (life.signal.aborted || refused(error)) return;
        if (error instanceof RequestError) askedMs = error.retryAfterMs;
      }
      failures += 1;
      streamLost();
      nap = new AbortController();
      if (life.signal.aborted) return;
      await pause(Math.max(askedMs, backoff(failures, firstDelayMs)), nap.signal);
    }
  }

  void stream();
  return stop;
}
