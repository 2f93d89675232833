/** Requests to the API: headers, and errors as one class. */

import type { Fields } from './state.ts';

export interface HttpOptions {
  /** Where the API is; empty for the page's own origin. */
  readonly baseUrl?: string | undefined;
  /** Bearer token, or a function that returns a fresh one before every request. */
  readonly token?: string | (() => string | null | Promise<string | null>) | undefined;
  /** The tenant that is meant, where the token is good for several. */
  readonly tenant?: string | (() => string | null) | undefined;
  /** Replaces the global fetch, for cookies or headers of your own. */
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

  /** True when asking about this job again cannot help: no right to see it, unknown, or gone. */
  get final(): boolean {
    return [403, 404, 410].includes(this.status);
  }

  /** True when the same request may succeed later. */
  get passing(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

export function urlOf(options: HttpOptions, path: string): string {
  return (options.baseUrl ?? '').replace(/\/$/, '') + path;
}

/** Send a request; raises RequestError for an answer other than 2xx, TypeError when none came. */
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

/** Send a request and return the answer's JSON object, empty when it has no body. */
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
    // Not a problem document: a proxy in between answered.
  }
  const seconds = Number(response.headers.get('Retry-After'));
  return new RequestError(message, response.status, seconds > 0 ? seconds * 1000 : 0);
}
