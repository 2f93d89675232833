/** Icons in the colour of the text. They are decorative: the text beside them carries the meaning. */

import type { ReactNode } from 'react';

function icon(children: ReactNode) {
  return () => (
    <svg
      className="icon"
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export const DownloadIcon = icon(
  <path d="M10 3v9m0 0 3.500-3.500M10 12 6.500 8.500M4 16.500h12" />,
);
export const RetryIcon = icon(<path d="M15.800 8A6.200 6.200 0 1 0 16 11.500M16 4v4h-4" />);
export const StopIcon = icon(<path d="M6 6l8 8M14 6l-8 8" />);
export const ChevronIcon = icon(<path d="M6 8l4 4 4-4" />);
export const SearchIcon = icon(
  <>
    <circle cx="9" cy="9" r="5" />
    <path d="M13 13l3.500 3.500" />
  </>,
);
export const CopyIcon = icon(
  <>
    <rect x="7.500" y="7.500" width="8.500" height="8.500" rx="2" />
    <path d="M12.500 4.800A2 2 0 0 0 10.600 4H6a2 2 0 0 0-2 2v4.600a2 2 0 0 0 .8 1.600" />
  </>,
);
export const CheckIcon = icon(<path d="M4.500 10.500l3.500 3.500 7.500-8" />);
export const WarningIcon = icon(<path d="M10 6.200v4.600m0 2.700v.1M10 2.800l7.500 13.400h-15z" />);
export const ClockIcon = icon(
  <>
    <circle cx="10" cy="10" r="6.800" />
    <path d="M10 6.200V10l2.400 1.600" />
  </>,
);
export const SunIcon = icon(
  <>
    <circle cx="10" cy="10" r="3" />
    <path d="M10 2.500v1.800m0 11.400v1.800M2.500 10h1.800m11.400 0h1.800M4.700 4.700 6 6m8 8 1.300 1.300m0-10.600L14 6m-8 8-1.300 1.300" />
  </>,
);
export const MoonIcon = icon(
  <path d="M16 11.800A6.500 6.500 0 0 1 8.200 4a6.500 6.500 0 1 0 7.800 7.800z" />,
);
export const FileIcon = icon(
  <path d="M11.500 3H6.200A1.700 1.700 0 0 0 4.500 4.700v10.600A1.700 1.700 0 0 0 6.200 17h7.600a1.700 1.700 0 0 0 1.700-1.700V7zm0 0v4h4" />,
);

export function Sail({ className }: { className?: string }) {
  return (
    <svg className={className} viewBox="0 0 32 32" fill="currentColor" aria-hidden="true">
      <path d="M15 4v16H6.200C10 15.500 13.200 10.300 15 4zM17.500 8c3.600 3.500 6.300 7.600 8 12h-8zM4 22.500h24c-1.200 3.200-3.400 5-6.600 5H10.600C7.400 27.500 5.200 25.700 4 22.500z" />
    </svg>
  );
}
