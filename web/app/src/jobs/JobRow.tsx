import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useId, useRef, useState } from 'react';
import { useAnnounce } from '../announcer.tsx';
import { cancelJob, downloadLink, retryJob } from '../api.ts';
import { credentials } from '../credentials.ts';
import {
  CheckIcon,
  ChevronIcon,
  ClockIcon,
  DownloadIcon,
  RetryIcon,
  StopIcon,
  WarningIcon,
} from '../icons.tsx';
import { addRecent } from '../recent.ts';
import { useArchiveName } from './archive-name.ts';
import { JobDetails } from './JobDetails.tsx';
import { JobFacts } from './JobFacts.tsx';
import { type DisplayState, displayStateOf, ended, type Job } from './job.ts';
import { Progress } from './Progress.tsx';

const STATE_TEXT: Record<DisplayState, string> = {
  queued: 'Waiting',
  processing: 'Running',
  completed: 'Ready',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

function StateMark({ state, progress }: { state: DisplayState; progress: number }) {
  if (state === 'processing') return <span className="mark percent">{progress}%</span>;
  const Icon = {
    queued: ClockIcon,
    completed: CheckIcon,
    failed: WarningIcon,
    cancelled: StopIcon,
  }[state];
  return (
    <span className={`mark ${state}`}>
      <Icon />
      <span className="visually-hidden">{STATE_TEXT[state]}</span>
    </span>
  );
}

/** One job: its name, its status and its actions. */
export function JobRow({ job, archiveName = null }: { job: Job; archiveName?: string | null }) {
  const id = useId();
  const [open, setOpen] = useState(false);
  const state = displayStateOf(job);
  const name = useArchiveName(job, archiveName);
  useAnnouncements(job, name);
  return (
    <li className={`job ${state}`} data-job={job.jobId} data-status={job.status}>
      <article aria-labelledby={`${id}-name`}>
        <StateMark state={state} progress={job.progress} />
        <div className="job-text">
          <h3 id={`${id}-name`} className="job-name">
            {name}
          </h3>
          <JobFacts job={job} />
        </div>
        <div className="job-action">
          <JobAction job={job} name={name} />
        </div>
        <button
          type="button"
          className="button quiet square job-toggle"
          aria-expanded={open}
          aria-controls={`${id}-details`}
          aria-label={`Details of ${name}`}
          title="Details"
          onClick={() => setOpen(!open)}
        >
          <ChevronIcon />
        </button>
        {!ended(job) && <Progress job={job} name={name} />}
        {state === 'failed' && <p className="reason">{job.error}</p>}
        <div id={`${id}-details`} className="job-details" hidden={!open}>
          {open && <JobDetails job={job} />}
        </div>
      </article>
    </li>
  );
}

/** Announce every quarter of the progress, and the end, to screen readers. */
function useAnnouncements(job: Job, name: string): void {
  const announce = useAnnounce();
  const state = displayStateOf(job);
  const quarter = state === 'processing' ? Math.floor(job.progress / 25) * 25 : 0;
  const last = useRef({ state, quarter });
  useEffect(() => {
    const before = last.current;
    last.current = { state, quarter };
    if (before.state !== state) {
      const sentence: Record<DisplayState, string> = {
        queued: `${name} is waiting again.`,
        processing: `${name} is running.`,
        completed: `${name} is ready.`,
        failed: `${name} failed. ${job.error ?? ''}`,
        cancelled: `${name} was cancelled.`,
      };
      announce(sentence[state]);
    } else if (quarter > before.quarter) {
      announce(`${name}: ${quarter} per cent.`);
    }
  }, [state, quarter, name, job.error, announce]);
}

function JobAction({ job, name }: { job: Job; name: string }) {
  const queries = useQueryClient();
  const refresh = () => {
    void queries.invalidateQueries({ queryKey: ['jobs'] });
    void queries.invalidateQueries({ queryKey: ['job', job.jobId] });
  };
  const cancel = useMutation({ mutationFn: () => cancelJob(job.jobId), onSuccess: refresh });
  const retry = useMutation({
    mutationFn: () => retryJob(job.jobId),
    onSuccess: (jobId) => {
      addRecent({ jobId, archiveName: null });
      refresh();
    },
  });
  const open = useMutation({
    mutationFn: () => downloadLink(job.jobId),
    onSuccess: (url) => window.location.assign(url),
  });
  const token = credentials.use();
  const error = cancel.error ?? retry.error ?? open.error;
  const failure = error && (
    <span className="action-error" role="alert">
      {error.message}
    </span>
  );

  if (job.status === 'completed') {
    return (
      <>
        {failure}
        {token === null ? (
          <a
            className="button primary"
            href={job.downloadUrl ?? `/v1/download/${job.jobId}`}
            aria-label={`Download ${name}`}
          >
            <DownloadIcon />
            Download
          </a>
        ) : (
          <button
            type="button"
            className="button primary"
            aria-label={`Download ${name}`}
            onClick={() => open.mutate()}
          >
            <DownloadIcon />
            Download
          </button>
        )}
      </>
    );
  }
  if (job.status === 'failed') {
    return (
      <>
        {failure}
        <button
          type="button"
          className="button"
          aria-label={`Retry ${name}`}
          aria-disabled={retry.isPending || retry.isSuccess}
          onClick={() => {
            if (!retry.isPending && !retry.isSuccess) retry.mutate();
          }}
        >
          <RetryIcon />
          {retry.isSuccess ? 'Retried' : 'Retry'}
        </button>
      </>
    );
  }
  return (
    <>
      {failure}
      <button
        type="button"
        className="button"
        aria-label={`Cancel ${name}`}
        aria-disabled={cancel.isPending || cancel.isSuccess}
        onClick={() => {
          if (!cancel.isPending && !cancel.isSuccess) cancel.mutate();
        }}
      >
        {cancel.isPending || cancel.isSuccess ? 'Cancelling…' : 'Cancel'}
      </button>
    </>
  );
}
