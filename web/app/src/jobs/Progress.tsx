import { count } from '../format.ts';
import type { Job } from './job.ts';

/** The progress bar of a job that is waiting or running. */
export function Progress({ job, name }: { job: Job; name: string }) {
  const waiting = job.status === 'queued';
  return (
    <div
      className={waiting ? 'bar waiting' : 'bar'}
      role="progressbar"
      tabIndex={-1}
      aria-label={`Progress of ${name}`}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(waiting
        ? { 'aria-valuetext': 'Waiting for a runner' }
        : {
            'aria-valuenow': job.progress,
            'aria-valuetext': `${job.progress} per cent, ${job.completedFiles} of ${count(job.totalFiles, 'file')}`,
          })}
    >
      <span style={{ transform: `scaleX(${waiting ? 0 : job.progress / 100})` }} />
    </div>
  );
}
