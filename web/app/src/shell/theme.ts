/** The chosen colours, or those of the system without a choice. */

import { useEffect, useState } from 'react';
import { createLocalValue } from '../local-value.ts';

export type Theme = 'light' | 'dark';

const theme = createLocalValue<Theme | null>(
  () => localStorage,
  'wherry:theme',
  (text) => (text === 'light' || text === 'dark' ? text : null),
  (value) => value,
);

const systemDark = window.matchMedia('(prefers-color-scheme: dark)');

/** Return the current theme, and a function that switches to the other one. */
export function useTheme(): readonly [Theme, () => void] {
  const chosen = theme.use();
  const [dark, setDark] = useState(systemDark.matches);
  useEffect(() => {
    const follow = () => setDark(systemDark.matches);
    systemDark.addEventListener('change', follow);
    return () => systemDark.removeEventListener('change', follow);
  }, []);
  useEffect(() => {
    if (chosen) document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
  }, [chosen]);
  const shown = chosen ?? (dark ? 'dark' : 'light');
  return [shown, () => theme.set(shown === 'dark' ? 'light' : 'dark')];
}
