import { describe, expect, it } from 'vitest';
import { ago, bytes, count, duration, ordinal, speed } from '../src/format.ts';

describe('format', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [99_949, '99.9 kB'],
    [99_950, '100 kB'],
    [999_500, '1.0 MB'],
    [3_145_870, '3.1 MB'],
    [5e15, '5.0 PB'],
  ])('%i bytes are %s', (value, text) => expect(bytes(value)).toBe(text));

  it.each([
    [0, '0 s'],
    [59.4, '59 s'],
    [60, '1 min 0 s'],
    [3_599, '59 min 59 s'],
    [3_600, '1 h 0 min'],
    [90_000, '25 h 0 min'],
  ])('%d seconds are %s', (value, text) => expect(duration(value)).toBe(text));

  it.each([
    [0.01, '1 files/min'],
    [0.5, '30 files/min'],
    [1, '1 files/s'],
    [2.34, '2.3 files/s'],
    [1_234, '1,234 files/s'],
  ])('%d files a second are %s', (value, text) => expect(speed(value)).toBe(text));

  it.each([
    [1, '1st'],
    [2, '2nd'],
    [3, '3rd'],
    [4, '4th'],
    [11, '11th'],
    [112, '112th'],
    [1_021, '1,021st'],
  ])('%i is %s', (value, text) => expect(ordinal(value)).toBe(text));

  it('formats counts', () => {
    expect(count(1, 'file')).toBe('1 file');
    expect(count(10_000, 'file')).toBe('10,000 files');
  });

  it('formats how long ago', () => {
    const now = Date.parse('2030-01-01T12:00:00Z');
    expect(ago('2030-01-01T12:00:01Z', now)).toBe('just now');
    expect(ago('2030-01-01T11:58:00Z', now)).toBe('2 min ago');
    expect(ago('2030-01-01T09:00:00Z', now)).toBe('3 h ago');
    expect(ago('2029-12-30T12:00:00Z', now)).toBe('2 days ago');
  });
});
