/** React hooks on top of the framework-free core. */

import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { createDownload, type Download, type DownloadOptions, type FileId } from './core.ts';
import { type DownloadState, IDLE } from './state.ts';

export * from './core.ts';

export interface UseDownload extends DownloadState {
  /** Start the job; a call while it runs has no effect. */
  readonly startDownload: () => Promise<string | null>;
  readonly cancel: () => Promise<void>;
  readonly retry: () => Promise<string | null>;
  readonly linkUrl: () => Promise<string>;
}

export type UseDownloadOptions = Omit<DownloadOptions, 'fileIds' | 'jobId'>;

interface KeyedDownload {
  readonly key: string;
  readonly download: Download;
}

function useKeyedDownload(options: DownloadOptions): UseDownload {
  const { fileIds, jobId, request, baseUrl, transport } = options;
  const key = JSON.stringify([fileIds, jobId, request, baseUrl, transport]);
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  const create = (): KeyedDownload => ({
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
  const [stored, setStored] = useState(create);
  let current = stored;
  if (stored.key !== key) {
    current = create();
    setStored(current);
  }
  const { download } = current;
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
 * Bundle files into one archive and watch the job. A change of the files, the server or the
 * transport creates a new download; storage and timing are read once, token and fetch for every
 * request.
 */
export function useDownload(
  fileIds: readonly FileId[],
  options: UseDownloadOptions = {},
): UseDownload {
  return useKeyedDownload({ ...options, fileIds });
}

/** Watch an existing job; null watches nothing. */
export function useDownloadJob(
  jobId: string | null,
  options: UseDownloadOptions = {},
): UseDownload {
  return useKeyedDownload({ ...options, jobId });
}
