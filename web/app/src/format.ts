/** Numbers and times as text. Pure functions. */

const WHOLE = new Intl.NumberFormat('en');
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

export function count(value: number, one: string, many = `${one}s`): string {
  return `${WHOLE.format(value)} ${value === 1 ? one : many}`;
}

/** Bytes in decimal units, as file managers show them. */
export function bytes(value: number): string {
  let unit = 0;
  let shown = value;
  while (shown >= 999.5 && unit < UNITS.length - 1) {
    shown /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || shown >= 99.95 ? 0 : 1;
  return `${shown.toFixed(digits)} ${UNITS[unit]}`;
}

/** A duration in at most two units. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** How long ago a time was. */
export function ago(iso: string, now: number): string {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (seconds < 45) return 'just now';
  if (seconds < 3_600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3_600)} h ago`;
  return count(Math.round(seconds / 86_400), 'day ago', 'days ago');
}

export function dateTime(iso: string): string {
  return new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' }).format(
    Date.parse(iso),
  );
}

/** Files a second, or files a minute below one a second. */
export function speed(filesPerSecond: number): string {
  if (filesPerSecond >= 1) {
    return `${WHOLE.format(Number(filesPerSecond.toFixed(filesPerSecond < 10 ? 1 : 0)))} files/s`;
  }
  return `${WHOLE.format(Math.max(1, Math.round(filesPerSecond * 60)))} files/min`;
}

export function ordinal(value: number): string {
  const tens = value % 100;
  const ending = tens >= 11 && tens <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][value % 10] ?? 'th');
  return `${WHOLE.format(value)}${ending}`;
}
