/** Announcements for screen readers: the newest one, at most one every few seconds. */

import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useRef,
  useState,
} from 'react';

const PAUSE_MS = 4_000;

const Announce = createContext<(text: string) => void>(() => {});

export const useAnnounce = () => useContext(Announce);

export function Announcer({ children }: { children: ReactNode }) {
  const [text, setText] = useState('');
  const waiting = useRef<string | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);

  const announce = useCallback((next: string) => {
    if (timer.current !== null) {
      waiting.current = next;
      return;
    }
    setText(next);
    timer.current = setTimeout(function announceNewest() {
      timer.current = null;
      const newest = waiting.current;
      waiting.current = null;
      if (newest === null) return;
      setText(newest);
      timer.current = setTimeout(announceNewest, PAUSE_MS);
    }, PAUSE_MS);
  }, []);

  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
      timer.current = null;
    },
    [],
  );

  return (
    <Announce.Provider value={announce}>
      {children}
      <p className="visually-hidden" aria-live="polite" data-testid="announcer">
        {text}
      </p>
    </Announce.Provider>
  );
}
