// SPDX-License-Identifier: Apache-2.0
// A picture from the camera.
import { useEffect, useRef, useState } from 'preact/hooks';
import { attach } from '../attach';
import { timeOfDay } from '../record';
import { panel } from '../state';
import { complain } from '../toasts';
import { Dialog } from './Dialog';

export function Camera() {
  const film = useRef<HTMLVideoElement>(null);
  const [front, setFront] = useState(false);
  const [ready, setReady] = useState(false);
  const close = () => (panel.value = '');
  useEffect(() => {
    let stream: MediaStream | undefined;
    let wanted = true;
    setReady(false);
    const video = { facingMode: front ? 'user' : 'environment', width: { ideal: 1920 }, height: { ideal: 1080 } };
    navigator.mediaDevices
      .getUserMedia({ video })
      .then((given) => {
        stream = given;
        if (wanted && film.current) film.current.srcObject = given;
        else given.getTracks().forEach((track) => track.stop());
      })
      .catch((error: unknown) => {
        complain('No camera', error);
        close();
      });
    return () => {
      wanted = false;
      stream?.getTracks().forEach((track) => track.stop());
    };
  }, [front]);
  const take = async () => {
    const it = film.current!;
    const canvas = document.createElement('canvas');
    canvas.width = it.videoWidth;
    canvas.height = it.videoHeight;
    canvas.getContext('2d')!.drawImage(it, 0, 0);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.92));
    if (blob) await attach([new File([blob], `photo ${timeOfDay()}.jpg`, { type: 'image/jpeg' })]);
    close();
  };
  return (
    <Dialog title="Take a picture" class="wide" onClose={close}>
      <video
        ref={film}
        class="large"
        autoPlay
        muted
        playsInline
        aria-label="What the camera sees"
        onLoadedData={() => setReady(true)}
      />
      <div class="dialog-foot">
        <button type="button" class="button" onClick={() => setFront(!front)}>
          Other camera
        </button>
        <button type="button" class="button primary" disabled={!ready} onClick={() => void take()}>
          Take it
        </button>
      </div>
    </Dialog>
  );
}
