/** Read file ids from pasted text. Pure functions. */

/** The most files of one job; the server checks it again. */
export const MAX_FILE_IDS = 10_000;

export interface FileIds {
  readonly ids: readonly string[];
  /** Number of duplicate ids, which are ignored. */
  readonly repeated: number;
  /** What is wrong, as a sentence, or null. */
  readonly problem: string | null;
}

const RANGE = /^(\d{1,15})\.\.(\d{1,15})$/;

/** Split by spaces, commas, semicolons and line breaks; `70000..70099` is a range of numbers. */
export function parseFileIds(text: string): FileIds {
  const ids = new Set<string>();
  let given = 0;
  for (const word of text.split(/[\s,;]+/)) {
    const bare = word.replace(/^["'[]+|["'\]]+$/g, '');
    if (bare === '') continue;
    const range = RANGE.exec(bare);
    const first = Number(range?.[1] ?? 0);
    const last = Number(range?.[2] ?? 0);
    if (range && last < first)
      return {
        ids: [],
        repeated: 0,
        problem: `${bare} is not a range: its start is greater than its end.`,
      };
    if (range && last - first >= MAX_FILE_IDS) {
      return { ids: [], repeated: 0, problem: tooMany(last - first + 1) };
    }
    const members = range
      ? Array.from({ length: last - first + 1 }, (_, index) => String(first + index))
      : [bare];
    given += members.length;
    for (const member of members) ids.add(member);
  }
  const long = [...ids].find((id) => id.length > 256);
  return {
    ids: [...ids],
    repeated: given - ids.size,
    problem:
      ids.size > MAX_FILE_IDS
        ? tooMany(ids.size)
        : long
          ? `The id ${long.slice(0, 24)}… is longer than 256 characters.`
          : null,
  };
}

function tooMany(files: number): string {
  const most = MAX_FILE_IDS.toLocaleString('en');
  return `A download holds at most ${most} files, and these are ${files.toLocaleString('en')}. Split them.`;
}
