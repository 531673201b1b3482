// SPDX-License-Identifier: Apache-2.0
// Icons, drawn in lines on a grid of 24. They say nothing to screen readers: the button around one has the name.
const paths = {
  sidebar: 'M4 5h16v14H4z M9.5 5v14',
  plus: 'M12 5v14 M5 12h14',
  send: 'M12 19V5 M6 11l6-6 6 6',
  stop: 'M7 7h10v10H7z',
  clip: 'M8 12.5l6.2-6.2a3 3 0 0 1 4.3 4.3l-8 8a5 5 0 0 1-7-7l7.6-7.7',
  camera: 'M4 8h3.5l1.5-2.5h6L16.5 8H20v11H4z M15.2 13.2a3.2 3.2 0 1 1-6.4 0 3.2 3.2 0 0 1 6.4 0z',
  mic: 'M12 4a2.7 2.7 0 0 1 2.7 2.7v4.6a2.7 2.7 0 0 1-5.4 0V6.7A2.7 2.7 0 0 1 12 4 M6.5 11a5.5 5.5 0 0 0 11 0 M12 17v3',
  think: 'M9 17.5h6 M10 20.5h4 M9 15c0-1.6-3-3.2-3-6.4a6 6 0 0 1 12 0c0 3.2-3 4.8-3 6.4z',
  settings: 'M4 8h9 M17 8h3 M4 16h3 M11 16h9 M17 8a2 2 0 1 1-4 0 2 2 0 0 1 4 0z M11 16a2 2 0 1 1-4 0 2 2 0 0 1 4 0z',
  close: 'M6 6l12 12 M18 6L6 18',
  copy: 'M9 9h10v11H9z M15 9V5H5v11h4',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  edit: 'M5 19l1-4L16.5 4.5l3 3L9 18z M14.5 6.5l3 3',
  again: 'M19 12a7 7 0 1 1-2.2-5.1 M19 4v4h-4',
  left: 'M14.5 6l-6 6 6 6',
  right: 'M9.5 6l6 6-6 6',
  down: 'M12 5v14 M6 13l6 6 6-6',
  bin: 'M5 7h14 M9.5 7V4.5h5V7 M7 7l1 13h8l1-13',
  search: 'M16 10.5a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0z M14.6 14.6L20 20',
  sound: 'M5 10v4 M9 7v10 M13 4.5v15 M17 8v8 M21 10.5v3',
  film: 'M4 6h16v12H4z M10.5 9.5v5l4.5-2.5z',
  file: 'M7 4h7l4 4v12H7z M14 4v4h4 M10 13h5 M10 16h5',
  save: 'M12 4v11 M7.5 10.5L12 15l4.5-4.5 M5 19.5h14',
  picture: 'M4 5h16v14H4z M4 16l5-5 4 4 3-3 4 4 M16.5 9.2a1.2 1.2 0 1 1-2.4 0 1.2 1.2 0 0 1 2.4 0z',
  code: 'M9 7l-5 5 5 5 M15 7l5 5-5 5',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}

interface ButtonProps {
  icon: IconName;
  label: string;
  onClick: () => void;
  class?: string;
  pressed?: boolean;
  disabled?: boolean;
}

export function IconButton({ icon, label, onClick, pressed, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      class={`icon-button ${rest.class ?? ''}`}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}
