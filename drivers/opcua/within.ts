/** Every wait of the driver ends: by its result, by its time, or because the link was lost (D3). */
import type { Clock } from '@fibric/sdk';

export type Waited<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'lost' };

/** Waits for `work` at most `timeoutMs`, and no longer than until `lost` aborts. What comes later is dropped. */
export function within<T>(
  clock: Clock,
  timeoutMs: number,
  lost: AbortSignal | null,
  work: Promise<T>,
): Promise<Waited<T>> {
  return new Promise((resolve) => {
    const end = (waited: Waited<T>): void => {
      timer.cancel();
      lost?.removeEventListener('abort', onLost);
      resolve(waited);
    };
    const onLost = (): void => end({ kind: 'lost' });
    const timer = clock.after(Math.max(0, timeoutMs), () => end({ kind: 'timeout' }));
    lost?.addEventListener('abort', onLost, { once: true });
    work.then(
      (value) => end({ kind: 'done', value }),
      (error: unknown) => end({ kind: 'failed', error }),
    );
    if (lost?.aborted) onLost();
  });
}
