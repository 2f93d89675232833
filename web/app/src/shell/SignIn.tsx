import { useState } from 'react';
import { credentials } from '../credentials.ts';

/** Shown when the server asks who is calling. */
export function SignIn({ reason }: { reason: string }) {
  const [token, setToken] = useState('');
  return (
    <section className="card sign-in" aria-labelledby="sign-in-title">
      <h1 id="sign-in-title">Sign in</h1>
      <p className="muted">{reason}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (token.trim()) credentials.set(token.trim());
        }}
      >
        <label htmlFor="token">Access token or API key</label>
        <div className="sign-in-line">
          <input
            id="token"
            type="password"
            autoComplete="off"
            spellCheck={false}
            value={token}
            onChange={(event) => setToken(event.target.value)}
            aria-describedby="token-hint"
          />
          <button type="submit" className="button primary" disabled={!token.trim()}>
            Continue
          </button>
        </div>
        <p id="token-hint" className="hint">
          Kept in this tab only, and forgotten when you close it.
        </p>
      </form>
    </section>
  );
}
