import { Sail } from '../icons.tsx';

export function EmptyJobs({ filtered, hasRecent }: { filtered: boolean; hasRecent: boolean }) {
  if (filtered) {
    return (
      <p className="empty">
        Nothing matches.
        <span className="hint">A whole id finds a download on any page.</span>
      </p>
    );
  }
  if (hasRecent) {
    return <p className="empty small">Nothing else here.</p>;
  }
  return (
    <div className="empty">
      <Sail className="sail" />
      <p>No downloads yet.</p>
      <p className="hint">Paste file ids above to bundle your first archive.</p>
    </div>
  );
}
