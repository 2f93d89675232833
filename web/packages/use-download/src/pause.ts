/** Waiting that can be cut short, and how long to wait before the next try. */

export const FIRST_DELAY_MS = 1_000;
export const LONGEST_DELAY_MS = 30_000;

/**
 * Return the milliseconds before try `failures` + 1: doubling, at most 30 s, and jittered to
 * between half and all of it, so that the clients of a restarted server come back spread out.
 */
export function backoff(failures: number, first = FIRST_DELAY_MS, random = Math.random()): number {
  const whole = Math.min(LONGEST_DELAY_MS, first * 2 ** Math.max(0, failures - 1));
  return Math.round(whole * (0.5 + random / 2));
}

/** Resolve after `ms`, or at once when `signal` aborts or the browser comes back online. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const online = typeof window === 'undefined' ? null : window;
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      online?.removeEventListener('online', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    online?.addEventListener('online', end);
  });
}
