import { ago, bytes, count, duration, ordinal, speed } from '../format.ts';
import { useNow } from '../now.ts';
import { displayStateOf, type Job } from './job.ts';
import { useSpeed } from './speed.ts';

const CONNECTION_TEXT: Partial<Record<Job['connection'], string>> = {
  streaming: 'live',
  polling: 'checking every 2 s',
  offline: 'reconnecting',
};

/** One line below a job's name, with the facts that matter in its state. */
export function JobFacts({ job }: { job: Job }) {
  const now = useNow();
  const filesPerSecond = useSpeed(job.completedFiles, job.status === 'processing');
  const facts: string[] = [];
  const files = count(job.totalFiles, 'file');
  switch (displayStateOf(job)) {
    case 'queued':
      facts.push(
        job.queuePosition ? `${ordinal(job.queuePosition)} in the queue` : 'Waiting',
        files,
      );
      if (job.estimatedTimeSeconds) facts.push(`takes about ${duration(job.estimatedTimeSeconds)}`);
      break;
    case 'processing':
      facts.push(`${job.completedFiles.toLocaleString('en')} of ${files}`);
      if (filesPerSecond) facts.push(speed(filesPerSecond));
      if (job.estimatedTimeSeconds) facts.push(`${duration(job.estimatedTimeSeconds)} left`);
      break;
    case 'completed':
      facts.push(files);
      if (job.size !== null) facts.push(bytes(job.size));
      if (job.completedAt) facts.push(ago(job.completedAt, now));
      break;
    default:
      facts.push(files);
      if (job.completedAt) facts.push(ago(job.completedAt, now));
  }
  const connection = CONNECTION_TEXT[job.connection];
  return (
    <p className="facts">
      {facts.map((fact) => (
        <span key={fact}>{fact}</span>
      ))}
      {connection && (
        <span className="connection" data-connection={job.connection}>
          {connection}
        </span>
      )}
    </p>
  );
}
