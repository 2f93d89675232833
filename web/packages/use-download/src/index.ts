/** React hooks over the framework-free core. */

import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { createDownload, type Download, type DownloadOptions, type FileId } from './core.ts';
import { type DownloadState, IDLE } from './state.ts';

export * from './core.ts';

export interface UseDownload extends DownloadState {
  /** Start the job; while it runs, calling it again changes nothing. */
  readonly startDownload: () => Promise<string | null>;
  readonly cancel: () => Promise<void>;
  readonly retry: () => Promise<string | null>;
  readonly linkUrl: () => Promise<string>;
}

export type UseDownloadOptions = Omit<DownloadOptions, 'fileIds' | 'jobId'>;

interface Held {
  readonly key: string;
  readonly download: Download;
}

function useHeld(options: DownloadOptions): UseDownload {
  const { fileIds, jobId, request, baseUrl, transport } = options;
  const key = JSON.stringify([fileIds, jobId, request, baseUrl, transport]);
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  const make = (): Held => ({
    key,
    download: createDownload({
      ...options,
      token: () => {
        const { token } = latest.current;
        return typeof token === 'function' ? token() : (token ?? null);
      },
      fetch: (input, init) => (latest.current.fetch ?? fetch)(input, init),
    }),
  });
  const [kept, setKept] = useState(make);
  let held = kept;
  if (kept.key !== key) {
    held = make();
    setKept(held);
  }
  const { download } = held;
  const state = useSyncExternalStore(download.subscribe, download.getState, () => IDLE);
  return {
    ...state,
    startDownload: download.start,
    cancel: download.cancel,
    retry: download.retry,
    linkUrl: download.linkUrl,
  };
}

/**
 * Bundle files into one archive and follow it. Other files, another server or another transport
 * make another download; storage and timing are read once, token and fetch for every request.
 */
export function useDownload(
  fileIds: readonly FileId[],
  options: UseDownloadOptions = {},
): UseDownload {
  return useHeld({ ...options, fileIds });
}

/** Follow a job that exists already; null follows nothing. */
export function useDownloadJob(
  jobId: string | null,
  options: UseDownloadOptions = {},
): UseDownload {
  return useHeld({ ...options, jobId });
}
