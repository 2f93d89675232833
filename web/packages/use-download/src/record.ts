/** What survives a page reload: the key of the request, and the job that it created. */

export interface JobRecord {
  /** Sent as Idempotency-Key: one key creates at most one job. */
  readonly key: string;
  /** null until the server has answered the request. */
  readonly jobId: string | null;
}

export type RecordStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export interface RecordStore {
  load(): JobRecord | null;
  save(record: JobRecord | null): void;
}

/** 53-bit string hash (cyrb53) for short storage names; not for security. */
export function hash(text: string): string {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(36);
}

/** A random key. Uses getRandomValues, because randomUUID is missing on pages over plain HTTP. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** If the storage is full or blocked (private windows), the record lasts as long as the page. */
export function createRecordStore(
  storage: RecordStorage | null | undefined,
  name: string,
): RecordStore {
  let unsaved: JobRecord | null = null;
  return {
    load() {
      try {
        const text = storage?.getItem(name);
        return text ? (JSON.parse(text) as JobRecord) : unsaved;
      } catch {
        return unsaved;
      }
    },
    save(record) {
      unsaved = storage ? null : record;
      try {
        if (record) storage?.setItem(name, JSON.stringify(record));
        else storage?.removeItem(name);
      } catch {
        unsaved = record;
      }
    },
  };
}
