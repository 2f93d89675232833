/** How long to wait before the next try, and a wait that can be interrupted. */

export const FIRST_DELAY_MS = 1_000;
export const LONGEST_DELAY_MS = 30_000;

/**
 * Return the milliseconds to wait after `failures` failures in a row: doubling, at most 30 s, with
 * a jitter between half and all of it, so that the clients of a restarted server reconnect spread
 * out.
 */
export function backoff(failures: number, first = FIRST_DELAY_MS, random = Math.random()): number {
  const whole = Math.min(LONGEST_DELAY_MS, first * 2 ** Math.max(0, failures - 1));
  return Math.round(whole * (0.5 + random / 2));
}

/** Resolve after `ms`, or at once when `signal` aborts or the browser is online again. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const browser = typeof window === 'undefined' ? null : window;
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      browser?.removeEventListener('online', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    browser?.addEventListener('online', end);
  });
}
