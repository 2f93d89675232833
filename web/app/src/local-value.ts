/** A value in the browser's storage that components subscribe to, across all tabs. */

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
    value = read(null); // Storage is blocked: the value lasts as long as the page.
  }

  function publish(next: T): void {
    value = next;
    for (const listener of listeners) listener();
  }

  window.addEventListener('storage', (event) => {
    if (event.key === name) publish(read(event.newValue));
  });

  function subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  return {
    get: () => value,
    set(next) {
      publish(next);
      const text = write(next);
      try {
        if (text === null) area().removeItem(name);
        else area().setItem(name, text);
      } catch {
        return; // Storage is full or blocked: the value lasts as long as the page.
      }
    },
    use: () => useSyncExternalStore(subscribe, () => value),
  };
}
