/** Credentials, stored in this tab only and deleted when it is closed. */

import { createLocalValue } from './local-value.ts';

/** The token or API key. */
export const credentials = createLocalValue<string | null>(
  () => sessionStorage,
  'wherry:token',
  (text) => text,
  (token) => token,
);

/** The tenant, for a token that is valid for several. */
export const tenant = createLocalValue<string | null>(
  () => sessionStorage,
  'wherry:tenant',
  (text) => text,
  (name) => name,
);

export const tokenOption = { token: () => credentials.get(), tenant: () => tenant.get() };

export function signOut(): void {
  tenant.set(null);
  credentials.set(null);
}
