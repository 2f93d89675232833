/** Watch one job until it ends: by its event stream, and by polling while no stream gets through. */

import { backoff, FIRST_DELAY_MS, sleep } from './backoff.ts';
import { type HttpOptions, RequestError, sendForJson } from './http.ts';
import { type Connection, type Fields, hasEnded, type Status } from './state.ts';
import type { OpenStream } from './stream.ts';

export interface Timing {
  /** Without an open stream for this long, polling starts. */
  readonly fallbackAfterMs: number;
  readonly pollEveryMs: number;
  /** A stream without a byte for this long is closed; the server sends a heartbeat every 30 s. */
  readonly silenceMs: number;
  /** Interval at which the position of a queued job is read; the stream does not send it. */
  readonly positionEveryMs: number;
}

export const TIMING: Timing = {
  fallbackAfterMs: 5_000,
  pollEveryMs: 2_000,
  silenceMs: 35_000,
  positionEveryMs: 15_000,
};

/** An event id is attempt-step-job; step 0 means that the job waits for an attempt. */
const QUEUED_ID = /^\d+-0(-|$)/;

export interface WatchRequest {
  readonly jobId: string;
  readonly http: HttpOptions;
  readonly openStream: OpenStream;
  readonly timing: Timing;
  /** Apply a message; return the status that the download has after it. */
  readonly onMessage: (name: string, fields: Fields) => Status;
  readonly onConnection: (connection: Connection) => void;
  /** The token was refused; the next one may be accepted. */
  readonly onUnauthorized: (error: RequestError) => void;
  /** The server refuses for good: the job is unknown, or the token may not read it. */
  readonly onRefused: (error: RequestError) => void;
}

/** Watch a job; the returned function stops it. */
export function watch(request: WatchRequest): () => void {
  const { jobId, http, timing, onMessage, onConnection } = request;
  const life = new AbortController();
  let lastEventId = '';
  let firstDelayMs = FIRST_DELAY_MS;
  let failures = 0;
  let retryWait: AbortController | null = null;
  let polling: AbortController | null = null;
  let fallbackTimer: ReturnType<typeof setTimeout> | undefined;
  let positionTimer: ReturnType<typeof setTimeout> | undefined;
  const statusPath = `/v1/download/status/${encodeURIComponent(jobId)}`;

  function stop(): void {
    clearTimeout(fallbackTimer);
    clearTimeout(positionTimer);
    life.abort();
    polling?.abort();
    retryWait?.abort();
  }

  function receive(name: string, fields: Fields): void {
    clearTimeout(positionTimer);
    const status = onMessage(name, fields);
    if (hasEnded(status)) {
      onConnection('none');
      stop();
    } else if (status === 'queued') {
      positionTimer = setTimeout(readPosition, backoff(1, timing.positionEveryMs));
    }
  }

  async function readPosition(): Promise<void> {
    if (polling) return;
    try {
      const fields = await sendForJson(http, statusPath, { signal: life.signal });
      if (!life.signal.aborted && fields.status === 'queued') receive('status', fields);
    } catch (error) {
      refused(error); // The stream notices any other failure.
    }
  }

  /** Return whether trying again cannot help; if so, end the watch. */
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
        if (misses > 0) retryWait?.abort(); // The server answers again: try the stream at once.
        misses = 0;
        onConnection('polling');
        receive('status', fields);
      } catch (error) {
        if (signal.aborted || refused(error)) return;
        misses += 1;
        onConnection('offline');
        if (error instanceof RequestError && error.status === 401) request.onUnauthorized(error);
      }
      await sleep(misses ? backoff(misses, timing.pollEveryMs) : timing.pollEveryMs, signal);
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
   * Read one connection until it ends. A first event that takes longer than the fallback means
   * that a proxy buffers the stream: the connection is closed, as its events would arrive late.
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
          const queued = name === 'progress' && QUEUED_ID.test(id);
          receive(name, { ...(queued && { status: 'queued' }), ...(JSON.parse(data) as Fields) });
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
      let retryAfterMs = 0;
      streamLost();
      try {
        await connect();
      } catch (error) {
        if (life.signal.aborted || refused(error)) return;
        if (error instanceof RequestError) retryAfterMs = error.retryAfterMs;
      }
      failures += 1;
      streamLost();
      retryWait = new AbortController();
      if (life.signal.aborted) return;
      await sleep(Math.max(retryAfterMs, backoff(failures, firstDelayMs)), retryWait.signal);
    }
  }

  void stream();
  return stop;
}
