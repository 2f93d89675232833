import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Run the hook's tests with the React 18 of this package. */
export default defineConfig({
  root: here('../use-download'),
  resolve: {
    alias: [
      { find: /^react$/, replacement: here('node_modules/react/index.js') },
      { find: /^react\/(.*)$/, replacement: here('node_modules/react/$1.js') },
      { find: /^react-dom\/(.*)$/, replacement: here('node_modules/react-dom/$1.js') },
    ],
  },
  test: {
    include: ['test/hook.test.tsx', here('test/version.test.ts')],
    testTimeout: 20_000,
  },
});
