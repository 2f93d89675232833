/** Fail when the hook, bundled and minified for a browser, exceeds its size limit. */
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const MAX_BYTES = 5_000;

for (const entry of ['src/index.ts', 'src/core.ts']) {
  const result = await build({
    absWorkingDir: new URL('..', import.meta.url).pathname,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['react'],
    write: false,
  });
  const bytes = gzipSync(result.outputFiles[0].contents, { level: 9 }).length;
  console.log(`${entry}: ${bytes} bytes gzipped, ${MAX_BYTES} allowed`);
  if (bytes > MAX_BYTES) process.exitCode = 1;
}
