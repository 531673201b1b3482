// SPDX-License-Identifier: Apache-2.0
// The microphone. What is said becomes an attachment of the message that is being written.
import { signal } from '@preact/signals';
import { attach } from './attach';
import { complain } from './toasts';
import { wavOfRecording } from './wav';

interface Recording {
  since: number;
  recorder: MediaRecorder;
  keep: boolean;
}

export const recording = signal<Recording | undefined>(undefined);

/** Browsers lend microphone and camera to pages of this machine and to those that came by TLS. */
export const canRecord = typeof MediaRecorder !== 'undefined' && !!navigator.mediaDevices;

export async function startRecording(): Promise<void> {
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    return complain('No microphone', error);
  }
  const recorder = new MediaRecorder(stream);
  const pieces: Blob[] = [];
  recorder.ondataavailable = (event) => pieces.push(event.data);
  recorder.onstop = () => {
    stream.getTracks().forEach((track) => track.stop());
    const keep = recording.value?.keep ?? false;
    recording.value = undefined;
    if (keep) void take(new Blob(pieces, { type: recorder.mimeType }));
  };
  recorder.start();
  recording.value = { since: performance.now(), recorder, keep: true };
}

export function stopRecording(keep: boolean): void {
  if (!recording.value) return;
  recording.value.keep = keep;
  recording.value.recorder.stop();
}

async function take(blob: Blob): Promise<void> {
  try {
    const wav = await wavOfRecording(blob);
    await attach([new File([wav.blob], `recording ${timeOfDay()}.wav`, { type: 'audio/wav' })]);
  } catch (error) {
    complain('The recording cannot be used', error);
  }
}

export function timeOfDay(): string {
  return new Date().toTimeString().slice(0, 8).replaceAll(':', '-');
}
