import { describe, expect, it } from 'vitest';
import { createEventParser, type StreamEvent } from '../src/event-parser.ts';

const STREAM =
  '\uFEFF: hello\r\nretry: 2500\nid: 1-2\nevent: progress\ndata: {"a":\ndata: 1}\r\r' +
  'data\n\nid: bad\0id\ndata:  two spaces\n\nevent: nothing\n\n';

const EVENTS: StreamEvent[] = [
  { name: 'progress', data: '{"a":\n1}', id: '1-2' },
  { name: 'message', data: '', id: '1-2' },
  { name: 'message', data: ' two spaces', id: '1-2' },
];

describe('createEventParser', () => {
  it('reads every form of line break, comments, multi-line data and ids', () => {
    const parser = createEventParser();
    expect(parser.feed(STREAM)).toEqual(EVENTS);
    expect(parser.retryMs).toBe(2500);
  });

  it('returns the same events wherever the text is split', () => {
    for (let size = 1; size < 12; size++) {
      const parser = createEventParser();
      const events: StreamEvent[] = [];
      for (let at = 0; at < STREAM.length; at += size) {
        events.push(...parser.feed(STREAM.slice(at, at + size)));
      }
      expect(events, `pieces of ${size}`).toEqual(EVENTS);
    }
  });

  it('holds an event until its empty line has arrived', () => {
    const parser = createEventParser('7');
    expect(parser.feed('data: x\n')).toEqual([]);
    expect(parser.feed('\n')).toEqual([{ name: 'message', data: 'x', id: '7' }]);
  });
});
