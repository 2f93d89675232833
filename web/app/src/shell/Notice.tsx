import type { ReactNode } from 'react';
import { WarningIcon } from '../icons.tsx';

/** A problem that affects the whole page, and what to do about it. */
export function Notice({
  title,
  children,
  onRetry,
}: {
  title: string;
  children: ReactNode;
  onRetry?: () => void;
}) {
  return (
    <div className="notice" role="alert">
      <WarningIcon />
      <div>
        <strong>{title}</strong>
        <p>{children}</p>
      </div>
      {onRetry && (
        <button type="button" className="button" onClick={onRetry}>
          Try now
        </button>
      )}
    </div>
  );
}
