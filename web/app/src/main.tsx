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
        // Offline by the browser's word or by the server's silence is the same here: keep trying.
        networkMode: 'always',
        retry: (failures, error) =>
          failures < 3 && (!(error instanceof RequestError) || error.passing),
        retryDelay: (failures) => Math.min(8_000, 1_000 * 2 ** failures),
      },
      mutations: { networkMode: 'always' },
    },
  });
}

/** Other credentials show other jobs: nothing that was read with the old ones is kept. */
function Page() {
  const token = `${credentials.use() ?? ''} ${tenant.use() ?? ''}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the token is why there is a new one
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
