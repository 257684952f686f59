/** A small HTTP server on loopback that stops when told to. */
import { type RequestListener, type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export class LoopbackHttp {
  #server: Server | null = null;

  /** Listens on `port` of 127.0.0.1; 0 takes a free one. */
  async start(port: number, listener: RequestListener): Promise<void> {
    const server = createServer(listener);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    this.#server = server;
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Open connections are closed at once: nobody waits for a demonstration to end. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}
