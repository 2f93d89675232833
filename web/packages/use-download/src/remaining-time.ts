/** How long a download still takes, measured from its progress over the last 30 seconds. */

const WINDOW_MS = 30_000;

export interface RemainingTime {
  /** Return the seconds left after `progress` (0 to 100) at `now`, or null if it is too early. */
  observe(progress: number, now: number): number | null;
}

export function createRemainingTime(): RemainingTime {
  let samples: { progress: number; time: number }[] = [];
  return {
    observe(progress, now) {
      const newest = samples[samples.length - 1];
      if (newest && progress < newest.progress) samples = []; // Another attempt has started.
      if (!newest || progress !== newest.progress) samples.push({ progress, time: now });
      while (samples.length > 2 && now - (samples[1]?.time ?? now) > WINDOW_MS) samples.shift();
      const oldest = samples[0];
      if (!oldest || progress <= oldest.progress || now <= oldest.time) return null;
      const perSecond = ((progress - oldest.progress) * 1000) / (now - oldest.time);
      return Math.ceil((100 - progress) / perSecond);
    },
  };
}
