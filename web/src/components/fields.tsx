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
  value: number | undefined;
  min: number;
  max: number;
  step: number;
  onChange: (value: number | undefined) => void;
}

/** A number, or nothing. What is out of range is marked and not taken. */
export function NumberField({ label, value, min, max, step, onChange }: NumberProps) {
  const [bad, setBad] = useState(false);
  const take = (field: HTMLInputElement) => {
    const number = field.valueAsNumber;
    const whole = step !== 1 || Number.isInteger(number);
    const empty = field.value === '' && !field.validity.badInput;
    const good = empty || (number >= min && number <= max && whole);
    setBad(!good);
    if (good) onChange(empty ? undefined : number);
  };
  return (
    <label class="field">
      {label}
      <input
        type="number"
        min={min}
        max={max}
        step={step === 1 ? 1 : 'any'}
        placeholder="model’s"
        value={value ?? ''}
        aria-invalid={bad}
        onInput={(event) => take(event.currentTarget)}
      />
      {bad && <span class="field-note" role="alert">{`${min} to ${max}`}</span>}
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
