import { createDownload } from '@wherry/use-download';
import { type ChangeEvent, type KeyboardEvent, useId, useMemo, useRef, useState } from 'react';
import { useAnnounce } from '../announcer.tsx';
import { tokenOption } from '../credentials.ts';
import { count } from '../format.ts';
import { ChevronIcon, FileIcon } from '../icons.tsx';
import { parseFileIds } from './file-ids.ts';

interface StartFormProps {
  readonly onStarted: (jobId: string, archiveName: string | null) => void;
}

/** Choose files by id and start a download. */
export function StartForm({ onStarted }: StartFormProps) {
  const id = useId();
  const [text, setText] = useState('');
  const [archiveName, setArchiveName] = useState('');
  const [skipMissing, setSkipMissing] = useState(false);
  const [optionsShown, setOptionsShown] = useState(false);
  const [starting, setStarting] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const announce = useAnnounce();

  const parsed = useMemo(() => parseFileIds(text), [text]);
  const name = archiveName.trim();
  // One object for one request: its idempotency key makes a repeated submission the same job.
  const download = useMemo(
    () =>
      createDownload({
        ...tokenOption,
        fileIds: parsed.ids,
        request: {
          ...(name && { archiveName: name }),
          ...(skipMissing && { onMissing: 'Manifest' }),
        },
        storage: null,
      }),
    [parsed, name, skipMissing],
  );
  const problem = parsed.problem ?? error;
  const ready = parsed.ids.length > 0 && parsed.problem === null;

  async function start(): Promise<void> {
    if (!ready || starting) return;
    setStarting(true);
    setError(null);
    const jobId = await download.start();
    setStarting(false);
    if (jobId === null) {
      setError(download.getState().error);
      return;
    }
    setText('');
    setArchiveName('');
    setOptionsShown(false);
    announce(`Download of ${count(parsed.ids.length, 'file')} started.`);
    onStarted(jobId, name || null);
    area.current?.focus();
  }

  function startByKeyboard(event: KeyboardEvent): void {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void start();
    }
  }

  async function readFile(event: ChangeEvent<HTMLInputElement>): Promise<void> {
    const input = event.target;
    const file = input.files?.[0];
    if (!file) return;
    const content = await file.text();
    setText((before) => (before.trim() ? `${before.trimEnd()}\n${content}` : content));
    input.value = '';
  }

  return (
    <section className="card start" aria-labelledby={`${id}-title`}>
      <h1 id={`${id}-title`}>Many files, one archive</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <div className="start-above">
          <label htmlFor={`${id}-ids`}>File ids</label>
          <p id={`${id}-hint`} className="hint">
            {ready ? (
              <>
                <span className="number">{count(parsed.ids.length, 'file')}</span>
                {parsed.repeated > 0 && `, ${count(parsed.repeated, 'duplicate id')} ignored`}
              </>
            ) : (
              'Separated by spaces, commas or lines; 70000..70099 is a range'
            )}
          </p>
        </div>
        <textarea
          id={`${id}-ids`}
          ref={area}
          rows={2}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setError(null);
          }}
          onKeyDown={startByKeyboard}
          placeholder="70000, 70001, 70002"
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          aria-describedby={`${id}-hint ${id}-problem`}
          aria-invalid={problem !== null}
        />
        <p id={`${id}-problem`} className="problem" role="alert">
          {problem}
        </p>
        <div className="start-end">
          <button
            type="submit"
            className="button primary"
            disabled={!ready}
            aria-disabled={starting}
            title="Ctrl + Enter"
          >
            {starting
              ? 'Starting…'
              : ready
                ? `Bundle ${count(parsed.ids.length, 'file')}`
                : 'Bundle'}
          </button>
          <button
            type="button"
            className="button quiet options-toggle"
            aria-expanded={optionsShown}
            aria-controls={`${id}-options`}
            onClick={() => setOptionsShown(!optionsShown)}
          >
            Options
            <ChevronIcon />
          </button>
          <label className="button quiet file-button">
            <FileIcon />
            Read ids from a file
            <input
              type="file"
              accept=".txt,.csv,text/plain,text/csv"
              className="visually-hidden"
              onChange={(event) => void readFile(event)}
            />
          </label>
        </div>
        <div id={`${id}-options`} className="options" hidden={!optionsShown}>
          <div>
            <label htmlFor={`${id}-name`}>Name of the archive</label>
            <input
              id={`${id}-name`}
              type="text"
              value={archiveName}
              maxLength={200}
              placeholder="download.zip"
              onChange={(event) => setArchiveName(event.target.value)}
            />
          </div>
          <label className="check">
            <input
              type="checkbox"
              checked={skipMissing}
              onChange={(event) => setSkipMissing(event.target.checked)}
            />
            <span>
              Skip missing files
              <span className="hint">The archive’s manifest.json lists them.</span>
            </span>
          </label>
        </div>
      </form>
    </section>
  );
}
