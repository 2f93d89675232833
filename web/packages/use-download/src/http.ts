/** Requests to the API, and its refusals as one class of errors. */

import type { Fields } from './state.ts';

export interface HttpOptions {
  /** URL of the API; empty for the page's own origin. */
  readonly baseUrl?: string | undefined;
  /** Bearer token, or a function that returns a fresh one before every request. */
  readonly token?: string | (() => string | null | Promise<string | null>) | undefined;
  /** The tenant, for a token that is valid for several. */
  readonly tenant?: string | (() => string | null) | undefined;
  /** Replaces the global fetch, for example to send cookies or more headers. */
  readonly fetch?: typeof fetch | undefined;
}

/** The server refused a request; the message is the sentence of its problem document (RFC 9457). */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly retryAfterMs: number,
  ) {
    super(message);
    this.name = 'RequestError';
  }

  /** Whether another request for this job cannot help: it is forbidden, unknown or expired. */
  get final(): boolean {
    return [403, 404, 410].includes(this.status);
  }

  /** Whether the same request may succeed later. */
  get passing(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

export function urlOf(options: HttpOptions, path: string): string {
  return (options.baseUrl ?? '').replace(/\/$/, '') + path;
}

/** Send a request. Raises RequestError for an answer other than 2xx, TypeError without an answer. */
export async function send(
  options: HttpOptions,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const headers = new Headers(init.headers);
  const token = typeof options.token === 'function' ? await options.token() : options.token;
  if (token) headers.set('Authorization', `Bearer ${token}`);
  const tenant = typeof options.tenant === 'function' ? options.tenant() : options.tenant;
  if (tenant) headers.set('Wherry-Tenant', tenant);
  const call = options.fetch ?? fetch;
  const response = await call(urlOf(options, path), { cache: 'no-store', ...init, headers });
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** Send a request and return the JSON object of the answer, or an empty one without a body. */
export async function sendForJson(
  options: HttpOptions,
  path: string,
  init: RequestInit = {},
): Promise<Fields> {
  const text = await (await send(options, path, init)).text();
  return text ? (JSON.parse(text) as Fields) : {};
}

async function errorOf(response: Response): Promise<RequestError> {
  let message = `The server answered ${response.status}.`;
  try {
    const problem = (await response.json()) as Fields;
    message = String(problem.detail ?? problem.title ?? message);
  } catch {
    // Not a problem document: a proxy answered.
  }
  const seconds = Number(response.headers.get('Retry-After'));
  return new RequestError(message, response.status, seconds > 0 ? seconds * 1000 : 0);
}
