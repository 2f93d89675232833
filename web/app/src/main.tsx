import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RequestError } from '@wherry/use-download';
import { StrictMode, useMemo } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App.tsx';
import { Announcer } from './announcer.tsx';
import { credentials, tenant } from './credentials.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/start.css';
import './styles/lists.css';
import './styles/row.css';
import './styles/narrow.css';

function newQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 1_000,
        // The browser may report "online" wrongly: always try, whatever it reports.
        networkMode: 'always',
        retry: (failures, error) =>
          failures < 3 && (!(error instanceof RequestError) || error.passing),
        retryDelay: (failures) => Math.min(8_000, 1_000 * 2 ** failures),
      },
      mutations: { networkMode: 'always' },
    },
  });
}

/** Discards all cached data when the credentials change, because they decide which jobs are shown. */
function Page() {
  const token = `${credentials.use() ?? ''} ${tenant.use() ?? ''}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new token must create a new client
  const queries = useMemo(newQueries, [token]);
  return (
    <QueryClientProvider client={queries}>
      <App key={token} />
    </QueryClientProvider>
  );
}

const root = document.getElementById('root');
if (!root) throw new Error('the page has no root element');
createRoot(root).render(
  <StrictMode>
    <Announcer>
      <Page />
    </Announcer>
  </StrictMode>,
);
