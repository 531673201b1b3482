// SPDX-License-Identifier: Apache-2.0
// Sound of the microphone as a WAV file of one channel at the rate that the model hears.

export const RATE = 16000;

/** 16-bit PCM. */
export function wavOf(samples: Float32Array, rate: number): Blob {
  const bytes = samples.length * 2;
  const view = new DataView(new ArrayBuffer(44 + bytes));
  const word = (at: number, text: string) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  word(0, 'RIFF');
  view.setUint32(4, 36 + bytes, true);
  word(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, 'data');
  view.setUint32(40, bytes, true);
  samples.forEach((sample, i) => {
    const clipped = Math.max(-1, Math.min(1, sample));
    view.setInt16(44 + 2 * i, Math.round(clipped * 32767), true);
  });
  return new Blob([view.buffer], { type: 'audio/wav' });
}

/** What a recorder made (WebM, Ogg or MP4, as the browser likes) as WAV. */
export async function wavOfRecording(recording: Blob): Promise<{ blob: Blob; seconds: number }> {
  const context = new AudioContext();
  try {
    const sound = await context.decodeAudioData(await recording.arrayBuffer());
    const length = Math.max(1, Math.ceil(sound.duration * RATE));
    const offline = new OfflineAudioContext(1, length, RATE); // resamples, and mixes channels to one
    const source = new AudioBufferSourceNode(offline, { buffer: sound });
    source.connect(offline.destination);
    source.start();
    const mono = await offline.startRendering();
    return { blob: wavOf(mono.getChannelData(0), RATE), seconds: sound.duration };
  } finally {
    await context.close();
  }
}
