// SPDX-License-Identifier: Apache-2.0
// Attachments: as chips in the message box, and as pictures and players in the conversation.
import { useEffect, useState } from 'preact/hooks';
import { noteOf } from '../attach';
import { urlOf } from '../files';
import { bytes } from '../format';
import type { Attachment, Kind } from '../types';
import { Dialog } from './Dialog';
import { Icon, IconButton, type IconName } from './Icon';

const icons: Record<Kind, IconName> = { image: 'picture', audio: 'sound', video: 'film', text: 'file' };

/** The address of a file of this browser; '' until it is there, and where it is no more. */
export function useFile(id: string): string {
  const [url, setUrl] = useState('');
  useEffect(() => {
    let wanted = true;
    urlOf(id)
      .then((found) => wanted && setUrl(found ?? ''))
      .catch(() => {});
    return () => ((wanted = false), undefined);
  }, [id]);
  return url;
}

export function Chips({ attachments, onRemove }: { attachments: Attachment[]; onRemove: (id: string) => void }) {
  if (attachments.length === 0) return null;
  return (
    <ul class="chips" aria-label="Attached">
      {attachments.map((each) => (
        <li key={each.id} class="chip">
          <Thumb attachment={each} />
          <span class="chip-text">
            <span class="chip-name">{each.name}</span>
            <span class="chip-note">{[noteOf(each), bytes(each.size)].filter(Boolean).join(' · ')}</span>
          </span>
          <IconButton icon="close" label={`Remove ${each.name}`} onClick={() => onRemove(each.id)} />
        </li>
      ))}
    </ul>
  );
}

function Thumb({ attachment }: { attachment: Attachment }) {
  if (attachment.thumb) return <img class="thumb" src={attachment.thumb} alt="" />;
  return (
    <span class="thumb">
      <Icon name={icons[attachment.kind]} />
    </span>
  );
}

export function MediaList({ attachments }: { attachments: Attachment[] }) {
  return (
    <ul class="media" aria-label="Attached">
      {attachments.map((each) => (
        <li key={each.id}>
          <One attachment={each} />
        </li>
      ))}
    </ul>
  );
}

function One({ attachment }: { attachment: Attachment }) {
  const url = useFile(attachment.id);
  if (attachment.kind === 'image' && attachment.thumb) return <Picture attachment={attachment} url={url} />;
  if (attachment.kind === 'audio') return <audio controls src={url || undefined} aria-label={attachment.name} />;
  if (attachment.kind === 'video') return <video controls src={url || undefined} aria-label={attachment.name} />;
  return (
    <span class="chip">
      <Thumb attachment={attachment} />
      <span class="chip-text">
        <span class="chip-name">{attachment.name}</span>
        <span class="chip-note">{bytes(attachment.size)}</span>
      </span>
    </span>
  );
}

function Picture({ attachment, url }: { attachment: Attachment; url: string }) {
  const [large, setLarge] = useState(false);
  return (
    <>
      <button type="button" class="picture" aria-label={`Enlarge ${attachment.name}`} onClick={() => setLarge(true)}>
        <img src={url || attachment.thumb} alt={attachment.name} />
      </button>
      {large && (
        <Dialog title={attachment.name} class="wide" onClose={() => setLarge(false)}>
          <img class="large" src={url} alt={attachment.name} />
        </Dialog>
      )}
    </>
  );
}
