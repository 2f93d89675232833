/** Fail when the built page in the API's package does not match the sources. */
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
      same = false; // The file exists in only one of the two folders.
    }
    if (same) continue;
    console.error(`api/wherry_api/static/${name} is out of date. Run: npm --prefix web run build`);
    process.exitCode = 1;
  }
  if (!process.exitCode) console.log(`the built page is up to date (${names.size} files)`);
} finally {
  rmSync(fresh, { recursive: true });
}
