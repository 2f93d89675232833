/** One connection to the event stream of a job, by fetch or by EventSource. */

import { createEventParser, type StreamEvent } from './event-parser.ts';
import { type HttpOptions, send, urlOf } from './http.ts';

export interface StreamRequest {
  readonly path: string;
  readonly lastEventId: string;
  readonly signal: AbortSignal;
  readonly onEvent: (event: StreamEvent) => void;
  /** Called with the reconnection delay that the server set, in milliseconds. */
  readonly onRetry: (ms: number) => void;
}

export type OpenStream = (request: StreamRequest) => Promise<'ended' | 'nothing-more'>;

const EVENT_NAMES = ['connected', 'progress', 'completed', 'failed', 'heartbeat'];

/** Stream by fetch, with the token in a header. Resolves when the server ends the stream. */
export function fetchStream(options: HttpOptions): OpenStream {
  return async ({ path, lastEventId, signal, onEvent, onRetry }) => {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (lastEventId) headers['Last-Event-ID'] = lastEventId;
    const response = await send(options, path, { headers, signal });
    if (response.status === 204 || !response.body) return 'nothing-more';
    const parser = createEventParser(lastEventId);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return 'ended';
      for (const event of parser.feed(decoder.decode(value, { stream: true }))) onEvent(event);
      if (parser.retryMs !== null) onRetry(parser.retryMs);
    }
  };
}

/**
 * Stream by EventSource, which cannot send headers: the URL has a single-use ticket instead. Every
 * connection needs a new one, so the browser's own reconnection is not used.
 */
export function ticketStream(
  options: HttpOptions,
  ticketFor: (signal: AbortSignal) => Promise<string>,
): OpenStream {
  return async ({ path, lastEventId, signal, onEvent }) => {
    const query = new URLSearchParams({ ticket: await ticketFor(signal) });
    if (lastEventId) query.set('lastEventId', lastEventId);
    if (signal.aborted) return 'ended';
    const source = new EventSource(`${urlOf(options, path)}?${query}`);
    return new Promise((resolve) => {
      const end = () => {
        source.close();
        resolve('ended');
      };
      signal.addEventListener('abort', end, { once: true });
      source.onerror = end;
      for (const name of EVENT_NAMES) {
        source.addEventListener(name, (event) => {
          onEvent({ name, data: event.data, id: event.lastEventId });
        });
      }
    });
  };
}
