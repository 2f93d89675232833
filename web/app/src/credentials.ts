/** The token or API key, kept in this tab only: it is gone when the tab is closed. */

import { createLocalValue } from './local-value.ts';

export const credentials = createLocalValue<string | null>(
  () => sessionStorage,
  'wherry:token',
  (text) => text,
  (token) => token,
);

export const tokenOption = { token: () => credentials.get() };
