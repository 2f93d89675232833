/**
 * Parse server-sent events from text. Source: WHATWG HTML, "Interpreting an event stream"
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).
 */

export interface StreamEvent {
  readonly name: string;
  readonly data: string;
  /** The newest id so far, empty when there was none. */
  readonly id: string;
}

export interface EventParser {
  /** Parse the next chunk of text, split anywhere; return the events that it completes. */
  feed(text: string): StreamEvent[];
  /** The reconnection delay that the server set, in milliseconds, or null. */
  readonly retryMs: number | null;
}

export function createEventParser(id = ''): EventParser {
  let rest = '';
  let name = '';
  let data: string[] = [];
  let retryMs: number | null = null;
  let begun = false;

  function processLine(line: string, events: StreamEvent[]): void {
    if (line === '') {
      if (data.length > 0) events.push({ name: name || 'message', data: data.join('\n'), id });
      name = '';
      data = [];
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') name = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) retryMs = Number(value);
  }

  return {
    feed(text) {
      const events: StreamEvent[] = [];
      if (!begun && text !== '') {
        begun = true;
        text = text.replace(/^\uFEFF/, '');
      }
      rest += text;
      // A carriage return at the very end may be half of a CRLF: it waits for the next chunk.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      for (const line of lines) processLine(line, events);
      return events;
    },
    get retryMs() {
      return retryMs;
    },
  };
}
