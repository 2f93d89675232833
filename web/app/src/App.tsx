import { useQuery, useQueryClient } from '@tanstack/react-query';
import { RequestError } from '@wherry/use-download';
import { useMemo } from 'react';
import { listJobs } from './api.ts';
import { JobList } from './jobs/JobList.tsx';
import { RecentJobs } from './jobs/RecentJobs.tsx';
import { addRecent, useRecent } from './recent.ts';
import { Header } from './shell/Header.tsx';
import { Notice } from './shell/Notice.tsx';
import { SignIn } from './shell/SignIn.tsx';
import { StartForm } from './start/StartForm.tsx';

export function App() {
  const recent = useRecent();
  const queries = useQueryClient();
  const recentIds = useMemo(() => new Set(recent.map((job) => job.jobId)), [recent]);
  // The same query as the first page of the list: its failure shows that the server is unreachable.
  const probe = useQuery({
    queryKey: ['jobs', 'all', null],
    queryFn: ({ signal }) => listJobs('all', null, signal),
  });
  // 422: the token is valid for several tenants and none was named.
  const refused =
    probe.error instanceof RequestError && [401, 403, 422].includes(probe.error.status);
  const unreachable = probe.failureCount > 0 && !(probe.failureReason instanceof RequestError);

  return (
    <>
      <a className="skip" href="#main">
        Skip to the downloads
      </a>
      <Header />
      <main id="main" tabIndex={-1}>
        {unreachable && (
          <Notice
            title="No connection to the server"
            onRetry={() => void queries.invalidateQueries()}
          >
            Running downloads continue. This page updates once the server can be reached again.
          </Notice>
        )}
        {refused && probe.error ? (
          <SignIn reason={probe.error.message} />
        ) : (
          <>
            <StartForm onStarted={(jobId, archiveName) => addRecent({ jobId, archiveName })} />
            <RecentJobs jobs={recent} />
            <JobList recentIds={recentIds} />
          </>
        )}
      </main>
    </>
  );
}
