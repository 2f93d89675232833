/** The state of a download, and how the messages of the server change it. Pure functions. */

export type Status = 'idle' | 'starting' | 'queued' | 'processing' | 'completed' | 'failed';

/** How updates arrive: `offline` when neither the stream nor polling reaches the server. */
export type Connection = 'none' | 'connecting' | 'streaming' | 'polling' | 'offline';

export interface DownloadState {
  readonly jobId: string | null;
  readonly status: Status;
  /** Per cent of the bytes that are in the archive, 0 to 100. */
  readonly progress: number;
  readonly completedFiles: number;
  readonly totalFiles: number;
  /** URL of the finished archive; null until the job has completed. */
  readonly downloadUrl: string | null;
  /** Bytes of the finished archive. */
  readonly size: number | null;
  /** Why the download failed or the last request was refused, as a sentence for a person. */
  readonly error: string | null;
  /** Position in the queue, counted from 1; null when unknown or not queued. */
  readonly queuePosition: number | null;
  /** Estimated seconds left; null when unknown. */
  readonly etaSeconds: number | null;
  readonly connection: Connection;
}

export const IDLE: DownloadState = {
  jobId: null,
  status: 'idle',
  progress: 0,
  completedFiles: 0,
  totalFiles: 0,
  downloadUrl: null,
  size: null,
  error: null,
  queuePosition: null,
  etaSeconds: null,
  connection: 'none',
};

export type Fields = Readonly<Record<string, unknown>>;

const STATUS_OF_EVENT: Readonly<Record<string, Status>> = {
  progress: 'processing',
  completed: 'completed',
  failed: 'failed',
};

export function hasEnded(status: Status): boolean {
  return status === 'completed' || status === 'failed';
}

export function isActive(status: Status): boolean {
  return status === 'starting' || status === 'queued' || status === 'processing';
}

function isStatus(value: unknown): value is Status {
  return (
    value === 'queued' || value === 'processing' || value === 'completed' || value === 'failed'
  );
}

function numberOr<T>(value: unknown, otherwise: T): number | T {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

function textOr<T>(value: unknown, otherwise: T): string | T {
  return typeof value === 'string' && value !== '' ? value : otherwise;
}

/**
 * Return the state after a message from the server: an event of the stream by its name, or the
 * body of a status answer under the name `status`. A state that has ended never changes.
 */
export function apply(state: DownloadState, name: string, fields: Fields): DownloadState {
  if (hasEnded(state.status)) return state;
  const status = isStatus(fields.status) ? fields.status : (STATUS_OF_EVENT[name] ?? state.status);
  const completed = status === 'completed';
  const totalFiles = numberOr(fields.totalFiles, numberOr(fields.totalFileIds, state.totalFiles));
  const whole = 'status' in fields;
  return {
    ...state,
    status,
    totalFiles,
    progress: completed ? 100 : numberOr(fields.progress, state.progress),
    completedFiles: numberOr(fields.completedFiles, completed ? totalFiles : state.completedFiles),
    downloadUrl: completed ? textOr(fields.downloadUrl, state.downloadUrl) : null,
    size: numberOr(fields.size, state.size),
    error: status === 'failed' ? textOr(fields.error, 'The download failed.') : null,
    queuePosition:
      status === 'queued'
        ? numberOr(fields.queuePosition, whole ? null : state.queuePosition)
        : null,
    etaSeconds: hasEnded(status)
      ? null
      : numberOr(fields.estimatedTimeSeconds, whole ? null : state.etaSeconds),
  };
}

export function sameState(one: DownloadState, other: DownloadState): boolean {
  return (Object.keys(one) as (keyof DownloadState)[]).every((key) => one[key] === other[key]);
}
