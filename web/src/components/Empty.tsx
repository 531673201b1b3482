// SPDX-License-Identifier: Apache-2.0
// What is there before anything has been said.
import { setDraft } from '../drafts';
import { focusBox } from '../focus';
import { connect, keyWanted, model, panel, serverTrouble, takes } from '../state';
import type { Kind } from '../types';
import { Icon, type IconName } from './Icon';

/** More than are shown: a model that only reads gets others than one that sees and hears. */
const examples: { icon: IconName; needs: Kind; title: string; text: string }[] = [
  {
    icon: 'think',
    needs: 'text',
    title: 'Explain something',
    text: 'Explain why the sky is blue, first to a child, then to a physicist.',
  },
  {
    icon: 'code',
    needs: 'text',
    title: 'Make a small page',
    text: 'Write one HTML page with a clock that has hands, in soft colours, without any library.',
  },
  {
    icon: 'picture',
    needs: 'image',
    title: 'Find things in a picture',
    text: 'Detect every object in this picture. Answer with a JSON list of {"box_2d": [y1, x1, y2, x2], "label": "…"}.',
  },
  { icon: 'mic', needs: 'audio', title: 'Write down what is said', text: 'Write down what is said, word for word.' },
  {
    icon: 'edit',
    needs: 'text',
    title: 'Better words',
    text: 'Make this shorter and friendlier, and say what you changed:\n\n',
  },
  {
    icon: 'check',
    needs: 'text',
    title: 'Plan a day',
    text: 'Plan a rainy day in Vienna for two people who like music and cake, with times.',
  },
];
const SHOWN = 4;

export function Empty() {
  return (
    <div class="empty">
      <h1>What can I help with?</h1>
      {serverTrouble.value ? (
        <Trouble />
      ) : (
        <p class="empty-model">{model.value ? `${model.value.id}, on your own machine` : ' '}</p>
      )}
      <ul class="examples" aria-label="Examples">
        {examples
          .filter(({ needs }) => takes(needs))
          .slice(0, SHOWN)
          .map((each) => (
            <li key={each.title}>
              <button type="button" onClick={() => (setDraft({ text: each.text }), focusBox())}>
                <Icon name={each.icon} />
                <span class="example-title">{each.title}</span>
                <span class="example-text">{each.text}</span>
              </button>
            </li>
          ))}
      </ul>
    </div>
  );
}

function Trouble() {
  return (
    <p class="failure" role="alert">
      <span>{serverTrouble.value}</span>
      {keyWanted.value ? (
        <button type="button" onClick={() => (panel.value = 'settings')}>
          Enter a key
        </button>
      ) : (
        <button type="button" onClick={() => void connect()}>
          Try again
        </button>
      )}
    </p>
  );
}
