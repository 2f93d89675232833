import { describe, expect, it } from 'vitest';
import { MAX_FILE_IDS, parseFileIds } from '../src/start/file-ids.ts';

describe('parseFileIds', () => {
  it.each([
    ['', []],
    ['  \n ', []],
    ['70000, 70001;70002\n70003', ['70000', '70001', '70002', '70003']],
    ['["a","b"]', ['a', 'b']],
    ["'x' y", ['x', 'y']],
    ['photo-2024_1.jpg', ['photo-2024_1.jpg']],
    ['8..11', ['8', '9', '10', '11']],
    ['7..7', ['7']],
  ])('reads %j', (text, ids) => {
    expect(parseFileIds(text)).toEqual({ ids, repeated: 0, problem: null });
  });

  it('counts duplicate ids once', () => {
    expect(parseFileIds('1 2 1 1..3')).toMatchObject({ ids: ['1', '2', '3'], repeated: 3 });
  });

  it('accepts as many ids as one job may have, and rejects one more', () => {
    expect(parseFileIds(`1..${MAX_FILE_IDS}`).problem).toBeNull();
    expect(parseFileIds(`0..${MAX_FILE_IDS}`).problem).toContain('10,000 files');
    expect(parseFileIds(`1..${MAX_FILE_IDS} one-more`).problem).toContain('10,001');
    expect(parseFileIds('0..999999999999999').problem).toContain('Split them');
  });

  it('explains what is wrong with a range or an id', () => {
    expect(parseFileIds('9..3').problem).toBe(
      '9..3 is not a range: its start is greater than its end.',
    );
    expect(parseFileIds('x'.repeat(257)).problem).toContain('longer than 256');
  });
});
