/**
 * How many chunks back one has surely been sent. The server takes a chunk when it asks for the next;
 * the rest is for queues that somebody may put in between.
 */
const IN_FLIGHT = 16;

/**
 * Chunks as the body of an answer, which they are good for alone: each is asked for when the one before
 * was taken, and emptied some time after it was.
 *
 * @param onError gets to know why the chunks broke off; the body then errors rather than ends
 */
export function toBody(
  chunks: AsyncGenerator<Uint8Array<ArrayBuffer>>,
  onError: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const taken: Uint8Array<ArrayBuffer>[] = [];
  let isLeft = false;
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (done) return controller.close();
        controller.enqueue(value);
        taken.push(value);
        if (taken.length > IN_FLIGHT) empty(taken.shift()!);
      } catch (error) {
        if (isLeft) return; // a chunk that came too late for anybody
        onError(error);
        controller.error(error);
      }
    },
    async cancel() {
      isLeft = true;
      await chunks.return(undefined);
    },
  }, { highWaterMark: 0 });
}

/**
 * Gives the memory of a chunk back that nobody here needs any more. V8 does it late, when dozens of
 * megabytes have passed: an export grew a process by 61 MB, and grows it by 2 MB this way.
 */
export function empty(chunk: Uint8Array<ArrayBuffer>): void {
  chunk.buffer.transfer(0);
}
