/** Files a second, measured over the last 15 seconds. */

import { useEffect, useRef, useState } from 'react';

const WINDOW_MS = 15_000;

export interface Sample {
  readonly files: number;
  readonly time: number;
}

/** Add a sample; drop those of an earlier attempt and all but the last one before the window. */
export function withSample(samples: readonly Sample[], files: number, time: number): Sample[] {
  const newest = samples.at(-1);
  if (newest && files < newest.files) return [{ files, time }];
  const young = samples.findIndex((one) => time - one.time < WINDOW_MS);
  const kept = samples.slice(Math.max(0, young < 0 ? samples.length - 1 : young - 1));
  return newest?.files === files ? kept : [...kept, { files, time }];
}

/** Return files a second, or null when it is too early to say. */
export function rate(samples: readonly Sample[], now: number): number | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last || last.files === first.files || now <= first.time) return null;
  return ((last.files - first.files) * 1000) / (now - first.time);
}

/** Measure the speed of a running job. */
export function useSpeed(files: number, running: boolean): number | null {
  const samples = useRef<Sample[]>([]);
  const [speed, setSpeed] = useState<number | null>(null);
  useEffect(() => {
    const now = performance.now();
    samples.current = running ? withSample(samples.current, files, now) : [];
    setSpeed(rate(samples.current, now));
  }, [files, running]);
  return speed;
}
