import { version } from 'react';
import { expect, it } from 'vitest';

it('runs under React 18', () => {
  expect(version).toMatch(/^18\./);
});
