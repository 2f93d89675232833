/** A value in the browser's storage that components follow, in this tab and in others. */

import { useSyncExternalStore } from 'react';

export interface LocalValue<T> {
  get(): T;
  set(value: T): void;
  use(): T;
}

export function createLocalValue<T>(
  area: () => Storage,
  name: string,
  read: (text: string | null) => T,
  write: (value: T) => string | null,
): LocalValue<T> {
  const listeners = new Set<() => void>();
  let value: T;
  try {
    value = read(area().getItem(name));
  } catch {
    value = read(null); // Storage is forbidden: the value lives as long as the page.
  }

  function tell(next: T): void {
    value = next;
    for (const listener of listeners) listener();
  }

  window.addEventListener('storage', (event) => {
    if (event.key === name) tell(read(event.newValue));
  });

  function subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  return {
    get: () => value,
    set(next) {
      tell(next);
      const text = write(next);
      try {
        if (text === null) area().removeItem(name);
        else area().setItem(name, text);
      } catch {
        return;
      }
    },
    use: () => useSyncExternalStore(subscribe, () => value),
  };
}
