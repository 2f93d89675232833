/** Fails when the page in the API's package is not what the sources here make. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const app = fileURLToPath(new URL('../app', import.meta.url));
const kept = fileURLToPath(new URL('../../api/wherry_api/static', import.meta.url));
const fresh = mkdtempSync(join(tmpdir(), 'wherry-page-'));

try {
  const options = ['vite', 'build', '--outDir', fresh, '--emptyOutDir', '--logLevel', 'warn'];
  execFileSync('npx', options, { cwd: app, stdio: 'inherit' });
  const names = new Set([...readdirSync(fresh), ...readdirSync(kept)]);
  for (const name of names) {
    let same = false;
    try {
      same = readFileSync(join(fresh, name)).equals(readFileSync(join(kept, name)));
    } catch {
      same = false; // It is in one of the two folders only.
    }
    if (same) continue;
    console.error(`api/wherry_api/static/${name} is out of date: run npm run build in web/`);
    process.exitCode = 1;
  }
  if (!process.exitCode) console.log(`the built page is up to date (${names.size} files)`);
} finally {
  rmSync(fresh, { recursive: true });
}
