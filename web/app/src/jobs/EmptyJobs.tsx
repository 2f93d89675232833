import { Sail } from '../icons.tsx';

export function EmptyJobs({ filtered, hasRecent }: { filtered: boolean; hasRecent: boolean }) {
  if (filtered) {
    return (
      <p className="empty">
        No downloads match.
        <span className="hint">Enter a complete id to find a download on any page.</span>
      </p>
    );
  }
  if (hasRecent) {
    return <p className="empty small">No other downloads.</p>;
  }
  return (
    <div className="empty">
      <Sail className="sail" />
      <p>No downloads yet.</p>
      <p className="hint">Paste file ids above to create your first archive.</p>
    </div>
  );
}
