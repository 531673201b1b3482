// SPDX-License-Identifier: Apache-2.0
// Parts of forms.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

export function Section({ title, note, children }: { title: string; note?: string; children: ComponentChildren }) {
  return (
    <section class="section">
      <h3>{title}</h3>
      {note && <p class="field-note">{note}</p>}
      {children}
    </section>
  );
}

interface NumberProps {
  label: string;
  /** To begin with. */
  value: number | undefined;
  min: number;
  max: number;
  whole?: boolean;
  onChange: (value: number | undefined) => void;
}

/** A number, or nothing. What is none, or out of range, is marked and not taken. The field keeps what was typed: one
 *  that shows the number it has read would not let "0." become "0.5". */
export function NumberField({ label, value, min, max, whole, onChange }: NumberProps) {
  const [bad, setBad] = useState(false);
  const take = (typed: string) => {
    const text = typed.trim().replace(',', '.');
    const number = Number(text);
    const good = text === '' || (number >= min && number <= max && (!whole || Number.isInteger(number)));
    setBad(!good);
    if (good) onChange(text === '' ? undefined : number);
  };
  return (
    <label class="field">
      {label}
      <input
        type="text"
        inputMode={whole ? 'numeric' : 'decimal'}
        autocomplete="off"
        placeholder="model’s"
        defaultValue={value === undefined ? '' : String(value)}
        aria-invalid={bad}
        onInput={(event) => take(event.currentTarget.value)}
      />
      {bad && (
        <span class="field-note" role="alert">{`Expected ${whole ? 'a whole number of ' : ''}${min} to ${max}`}</span>
      )}
    </label>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  choices: [T, string][];
  onChange: (value: T) => void;
}

export function Choice<T extends string>({ label, value, choices, onChange }: ChoiceProps<T>) {
  return (
    <label class="field">
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value as T)}>
        {choices.map(([each, words]) => (
          <option key={each} value={each}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Check({
  label,
  value,
  onChange,
}: {
  label: string;
  value: boolean;
  onChange: (value: boolean) => void;
}) {
  return (
    <label class="check">
      <input type="checkbox" checked={value} onChange={(event) => onChange(event.currentTarget.checked)} />
      {label}
    </label>
  );
}
