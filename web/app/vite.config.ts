import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const source = (path: string) =>
  fileURLToPath(new URL(`../packages/use-download/src/${path}`, import.meta.url));

/**
 * The built page is part of the API's package, so that an installation of the API needs no Node. Its
 * file names are fixed: during a rollout an old process can then serve the files of the new page.
 * Browsers revalidate them on every load.
 */
export default defineConfig({
  plugins: [react()],
  resolve: {
    alias: [
      { find: '@wherry/use-download/core', replacement: source('core.ts') },
      { find: '@wherry/use-download', replacement: source('index.ts') },
    ],
  },
  server: { proxy: { '/v1': 'http://127.0.0.1:3000', '/health': 'http://127.0.0.1:3000' } },
  build: {
    outDir: fileURLToPath(new URL('../../api/wherry_api/static', import.meta.url)),
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        entryFileNames: 'page.js',
        chunkFileNames: '[name].js',
        assetFileNames: 'page[extname]',
      },
    },
  },
  test: { include: ['test/**/*.test.{ts,tsx}'] },
});
