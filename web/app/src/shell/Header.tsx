import { credentials, signOut } from '../credentials.ts';
import { MoonIcon, Sail, SunIcon } from '../icons.tsx';
import { useTheme } from './theme.ts';

export function Header() {
  const [theme, toggle] = useTheme();
  const token = credentials.use();
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <header className="header">
      <a className="brand" href="/">
        <Sail className="sail" />
        Wherry
      </a>
      <nav aria-label="Page">
        <a className="quiet-link" href="/docs">
          API
        </a>
        {token && (
          <button type="button" className="button quiet" onClick={signOut}>
            Sign out
          </button>
        )}
        <button
          type="button"
          className="button quiet square"
          onClick={toggle}
          aria-label={`Use ${other} colours`}
          title={`Use ${other} colours`}
        >
          {theme === 'dark' ? <SunIcon /> : <MoonIcon />}
        </button>
      </nav>
    </header>
  );
}
