// SPDX-License-Identifier: Apache-2.0
// Boxes and points of an answer over the picture that it is about.
import { useState } from 'preact/hooks';
import type { Mark } from '../boxes';
import type { Attachment } from '../types';
import { useFile } from './Media';

const COLOURS = 8; // as many as styles/media.css has

interface Props {
  marks: Mark[];
  pictures: Attachment[];
}

export function Marks({ marks, pictures }: Props) {
  const [shown, setShown] = useState(pictures.length - 1);
  const [lit, setLit] = useState(-1);
  const picture = pictures[Math.min(shown, pictures.length - 1)]!;
  const url = useFile(picture.id);
  const labels = [...new Set(marks.map((each) => each.label))];
  const colourOf = (mark: Mark) => `mark-${labels.indexOf(mark.label) % COLOURS}`;
  return (
    <figure class="marks">
      <div class="marks-picture">
        {url && <img src={url} alt={`${picture.name}, with what the answer marks in it`} />}
        {marks.map((mark, i) => (
          <Place key={i} mark={mark} colour={colourOf(mark)} lit={lit === i} faded={lit >= 0 && lit !== i} />
        ))}
      </div>
      <figcaption>
        {pictures.length > 1 && (
          <label class="marks-choice">
            Picture
            <select value={shown} onChange={(event) => setShown(Number(event.currentTarget.value))}>
              {pictures.map((each, i) => (
                <option value={i}>{`${i + 1}: ${each.name}`}</option>
              ))}
            </select>
          </label>
        )}
        <ul class="marks-list" aria-label="Marked">
          {marks.map((mark, i) => (
            <li key={i} class={colourOf(mark)} onMouseEnter={() => setLit(i)} onMouseLeave={() => setLit(-1)}>
              {mark.label || (mark.point ? 'point' : 'box')}
              <span class="sr">{wordsOf(mark)}</span>
            </li>
          ))}
        </ul>
      </figcaption>
    </figure>
  );
}

interface PlaceProps {
  mark: Mark;
  colour: string;
  lit: boolean;
  faded: boolean;
}

function Place({ mark, colour, lit, faded }: PlaceProps) {
  const percent = (value: number) => `${value / 10}%`;
  const place = { left: percent(mark.x), top: percent(mark.y) };
  const size = mark.point ? {} : { width: percent(mark.width), height: percent(mark.height) };
  // A label above a box at the picture's upper edge would be cut off.
  const classes = ['mark', colour, mark.point ? 'point' : 'box', mark.y < 60 ? 'below' : '', mark.x > 700 ? 'end' : ''];
  return (
    <div class={classes.join(' ')} data-lit={lit} data-faded={faded} style={{ ...place, ...size }} aria-hidden="true">
      {mark.label && <span class="mark-label">{mark.label}</span>}
    </div>
  );
}

function wordsOf(mark: Mark): string {
  const percent = (value: number) => `${Math.round(value / 10)} %`;
  const where = `, ${percent(mark.x)} from the left, ${percent(mark.y)} from the top`;
  return mark.point ? where : `${where}, ${percent(mark.width)} wide, ${percent(mark.height)} high`;
}
