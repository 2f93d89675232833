import { useState } from 'react';
import { credentials, tenant } from '../credentials.ts';

/** Shown when the server requires credentials. */
export function SignIn({ reason }: { reason: string }) {
  const [token, setToken] = useState(credentials.get() ?? '');
  const [name, setName] = useState(tenant.get() ?? '');
  return (
    <section className="card sign-in" aria-labelledby="sign-in-title">
      <h1 id="sign-in-title">Sign in</h1>
      <p className="muted">{reason}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!token.trim()) return;
          tenant.set(name.trim() || null);
          credentials.set(token.trim());
        }}
      >
        <div>
          <label htmlFor="token">Access token or API key</label>
          <input
            id="token"
            type="password"
            autoComplete="off"
            spellCheck={false}
            value={token}
            onChange={(event) => setToken(event.target.value)}
            aria-describedby="token-hint"
          />
        </div>
        <div>
          <label htmlFor="tenant">Tenant</label>
          <input
            id="tenant"
            type="text"
            autoComplete="off"
            spellCheck={false}
            placeholder="optional"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </div>
        <p id="token-hint" className="hint">
          Stored in this tab only, and deleted when you close it.
        </p>
        <button type="submit" className="button primary" disabled={!token.trim()}>
          Continue
        </button>
      </form>
    </section>
  );
}
